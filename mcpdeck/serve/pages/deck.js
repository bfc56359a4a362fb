// Before the terminal begins: where its websocket is, and the font that it measures its cells by.
const begin = window.onload;
window.onload = async (event) => {
  document.getElementById("terminal").dataset.sessionWebsocketUrl = location.origin.replace(/^http/, "ws") + "/tab";
  document.getElementById("again").onclick = () => location.reload();
  await document.fonts.load("15px 'Roboto Mono'");
  begin(event);
  document.querySelector(".xterm-helper-textarea")?.focus();
};
