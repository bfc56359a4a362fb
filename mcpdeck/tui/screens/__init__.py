"""What opens above the deck and gives an answer: dialogs and forms. Talk with no gateway."""
