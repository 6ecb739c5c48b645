"use strict";
// Shows what the server sends: the whole state, at once and whenever it has changed. An empty message says: I am here.

const SILENCE_MS = 3000; // the server says something every second
const FIRST_DELAY_MS = 250, LONGEST_DELAY_MS = 10000;
const byId = (id) => document.getElementById(id);
let delay = FIRST_DELAY_MS;

function connect() {
  const socket = new WebSocket(location.href.replace(/^http/, "ws").replace(/[?#].*/, "") + "/live");
  const lost = () => {
    clearTimeout(silence);
    socket.onmessage = socket.onclose = null; // a dead connection takes long to close: not waited for
    socket.close();
    connection("disconnected");
    setTimeout(connect, delay * (0.5 + Math.random() / 2)); // not all pages at once
    delay = Math.min(2 * delay, LONGEST_DELAY_MS);
  };
  let silence = setTimeout(lost, SILENCE_MS);
  socket.onclose = lost;
  socket.onmessage = (message) => {
    clearTimeout(silence);
    silence = setTimeout(lost, SILENCE_MS);
    delay = FIRST_DELAY_MS;
    connection("live");
    if (message.data) show(JSON.parse(message.data));
  };
}

function connection(state) {
  byId("connection").textContent = byId("connection").className = state;
}

function show(session) {
  const { title, status, todos, tool_calls, notes } = session ?? { title: "No such build", status: "" };
  const done = (todos ?? []).filter(([, status]) => status === "done").length;
  document.title = byId("title").textContent = title;
  byId("status").textContent = byId("status").className = status;
  byId("done").textContent = todos ? `${done} of ${todos.length}` : "";
  byId("progress").value = todos ? done / todos.length : 0;
  list("todos", todos);
  list("tool_calls", tool_calls);
  list("notes", notes?.map((body) => [body, ""]));
}

function list(id, rows) {
  byId(id).replaceChildren(...(rows ?? []).map(([text, status]) => {
    const item = document.createElement("li");
    item.textContent = text;
    item.className = status;
    return item;
  }));
}

connect();
