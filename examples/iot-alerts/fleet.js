// What the tenant has comes as a whole, at first and after each change: the page keeps nothing, so nothing can be missed.
const element = (name, className, text) => {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text; // never as HTML: it is what devices and people have written
  return made;
};
const at = (id) => document.getElementById(id);
const time = (text) => (text ? new Date(text).toLocaleTimeString("en-GB") : "–");

function device({ device_id, state, celsius, evaluations }) {
  const card = element("article", state === "normal" ? "normal" : "odd", "");
  card.id = `device-${device_id}`;
  card.append(
    element("h3", "", device_id),
    element("p", "celsius", celsius === null ? "–" : `${Math.round(celsius)} °C`),
    element("p", "state", state),
    element("p", "evaluations", `evaluations: ${evaluations}`),
  );
  return card;
}

function alert({ raised_at, message, delivered_at, cleared_at }) {
  const row = element("tr", cleared_at ? "cleared" : "open", "");
  row.append(...[time(raised_at), message, time(delivered_at), time(cleared_at)].map((text) => element("td", "", text)));
  return row;
}

function mode(name) {
  at("mode").className = name;
  at("mode").textContent = { Listening: "live", Polling: "late: polling" }[name] ?? name;
}

function connect() {
  const changes = new EventSource(`${location.pathname}/changes`);
  changes.onmessage = (event) => {
    const { mode: now, fleet } = JSON.parse(event.data);
    mode(now);
    at("devices").replaceChildren(...(fleet.devices ?? []).map(device));
    at("alerts").replaceChildren(...(fleet.alerts ?? []).map(alert));
  };
  changes.onerror = () => {
    mode("Connecting");
    if (changes.readyState === EventSource.CLOSED) setTimeout(connect, 1000); // it was refused, by a proxy say
  };
}

at("tenant").textContent = location.pathname.split("/").pop();
connect();
