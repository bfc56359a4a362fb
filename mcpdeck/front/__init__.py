"""An adapter for clients that speak nothing but stdio: lines on one side, streamable HTTP on the other."""
