"use strict";
const KEPT = 5000; // lines in the page
const at = (id) => document.getElementById(id);
const run = location.pathname.split("/")[2];
let count = 0;

function show(line) {
  const item = document.createElement("li");
  item.className = line.level;
  for (const [kind, text] of [["time", line.at.slice(11, 19)], ["b", line.level], ["span", line.line]]) {
    item.append(document.createElement(kind));
    item.lastChild.textContent = text;
  }
  at("lines").append(item);
  if (at("lines").childElementCount > KEPT) at("lines").firstChild.remove();
  count += 1;
}

function badge(id, text) {
  at(id).textContent = text.toLowerCase();
  at(id).className = `badge ${text}`;
}

function open(last) {
  const source = new EventSource(`/runs/${run}/lines${last ? `?last=${encodeURIComponent(last)}` : ""}`);
  source.onmessage = (event) => {
    const end = document.scrollingElement;
    const isAtEnd = end.scrollTop + end.clientHeight > end.scrollHeight - 40;
    JSON.parse(event.data).forEach(show);
    last = event.lastEventId;
    at("count").textContent = `${count} lines`;
    if (isAtEnd) end.scrollTop = end.scrollHeight;
  };
  source.addEventListener("mode", (event) => badge("mode", JSON.parse(event.data)));
  source.addEventListener("run", (event) => badge("run", JSON.parse(event.data) || "no such run"));
  source.onerror = () => {
    badge("mode", "connecting"); // it comes back by itself, with the id of its last event
    if (source.readyState === EventSource.CLOSED) setTimeout(() => open(last), 1000); // but after an answer that is none
  };
}

at("number").textContent = run;
document.title = `Run ${run}`;
open();
