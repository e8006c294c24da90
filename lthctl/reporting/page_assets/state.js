// What was chosen on the page. It stands in the address behind the #, as #section?key=value, so
// that it survives a reload and can be sent as a link.

const DEFAULTS = {
  group: 0,
  theme: "auto",
  measure: "difference", // against size
  hidden: [], // lines against size that are switched off, as "method control"
  target: 0, // of the steps to target
  tickets: null, // method and rounds of the tables; null for those of the answers
  metric: "accuracy", // of the learning curves
  way: null, // method and rounds of the learning curves
  size: "all", // their ratio
  control: "all",
  seed: "mean",
  window: 1, // evaluations that are averaged
  brushes: {}, // axis -> [from, to], as fractions of the height
  sort: "best",
  descending: true,
  all: false, // whether the table shows every row
  ticket: null, // of which the layers are shown
};
const state = { ...DEFAULTS };
let section = "";

const READERS = {
  number: (texts) => Math.max(0, Math.floor(Number(texts[0])) || 0),
  boolean: (texts) => texts[0] === "yes",
  string: (texts) => texts[0],
  list: (texts) => texts,
  object: (texts) => {
    const brush = texts.map((text) => text.match(/^(\w+):([\d.]+):([\d.]+)$/)).filter(Boolean);
    return Object.fromEntries(brush.map(([, key, from, to]) => [key, [Number(from), Number(to)]]));
  },
};
const kindOf = (value) =>
  Array.isArray(value) ? "list" : value === null ? "string" : typeof value;

function readAddress() {
  const [place, query = ""] = location.hash.slice(1).split("?");
  const given = new URLSearchParams(query);
  Object.assign(state, DEFAULTS, { hidden: [], brushes: {} });
  for (const [key, value] of Object.entries(DEFAULTS))
    if (given.has(key)) state[key] = READERS[kindOf(value)](given.getAll(key));
  state.group = Math.min(state.group, data.groups.length - 1);
  section = document.getElementById(place) ? place : "";
}

function addressOfState() {
  const wanted = new URLSearchParams();
  for (const [key, value] of Object.entries(state)) {
    if (value === null || value === DEFAULTS[key]) continue;
    if (key === "brushes")
      for (const [axis, [from, to]] of Object.entries(value))
        wanted.append(key, `${axis}:${from.toFixed(3)}:${to.toFixed(3)}`);
    else if (Array.isArray(value)) for (const one of value) wanted.append(key, one);
    else wanted.set(key, value === true ? "yes" : value === false ? "no" : value);
  }
  const query = wanted.toString();
  return section + (query && `?${query}`);
}

function writeAddress() {
  clearTimeout(remember.timer);
  remember.timer = null;
  const wanted = addressOfState();
  if (wanted === location.hash.slice(1)) return;
  history.replaceState(null, "", wanted ? `#${wanted}` : location.href.split("#")[0]);
}

/** Write the address soon: a drag changes the choice at every move. */
function remember() {
  clearTimeout(remember.timer);
  remember.timer = setTimeout(writeAddress, 150);
}
addEventListener("pagehide", () => remember.timer && writeAddress());

/** A choice if it is offered, else the first that is. */
const oneOf = (offered, choice) => (offered.includes(choice) ? choice : offered[0]);

/** A function that takes a choice, remembers it and draws anew. */
const chooses = (key, draw) => (value) => {
  state[key] = value;
  remember();
  draw();
};
