// All of it: groups, themes, the address, sizes of the window.

function drawAll() {
  group = data.groups[state.group];
  room = find("runs").clientWidth;
  for (const [i, button] of [...find("groups").querySelectorAll("option")].entries())
    button.selected = i === state.group;
  drawAnswers();
  drawHowFar();
  drawHowMuchSooner();
  drawCurves();
  drawWeightsOrMask();
  drawNotes();
  drawParallel();
  drawMasks();
  drawSparsity();
  drawProvenance(state.group);
}

function drawNotes() {
  const dense = group.experiments[group.asked.dense];
  const notes = [
    group.has_draws
      ? "Several draws of a control are averaged within their seed: n is the number of seeds."
      : null,
    group.test || group.accuracy_words !== "maximum validation accuracy"
      ? `Accuracies are ${group.accuracy_words}. Curves and targets are of validation images.`
      : null,
    group.test
      ? null
      : "This protocol has no test images. Accuracies are of the images that chose the best " +
        "step, so they are a little too high.",
    group.stops_at_end
      ? `In ${plural(group.stops_at_end, "run")} the validation loss was lowest at the last ` +
        "step. They may be too short to overfit."
      : null,
    dense
      ? null
      : "There is no dense run here, so there is nothing to compare with. Type lthctl prune " +
        "--ratio 0, and retrain that ticket.",
    group.experiments.every(({ accuracy }) => accuracy.n === 1)
      ? "One seed has no interval, so nothing can be decided from it."
      : null,
  ];
  put("notes", ...notes.filter(Boolean).map((text) => make("p", {}, text)));
}

/** Groups of runs that can be compared, each by what tells it from the others. */
function offerGroups() {
  const titles = data.groups.map(({ title }) => title.split(", "));
  const differ = titles.map((parts) =>
    parts.filter((part) => !titles.every((of) => of.includes(part))).join(", "),
  );
  const box = select(
    "runs",
    data.groups.map(({ title, num_runs: runs }, i) => [
      i,
      `group ${i + 1} of ${data.groups.length}: ${differ[i] || title} (${plural(runs, "run")})`,
    ]),
    state.group,
    (value) => {
      Object.assign(state, DEFAULTS, { hidden: [], brushes: {}, theme: state.theme });
      chooses("group", drawAll)(Number(value));
    },
  );
  find("groups").hidden = !box;
  put("groups", box);
}

const THEMES = ["auto", "light", "dark"];
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
function applyTheme(wanted = state.theme) {
  const theme = THEMES.includes(wanted) ? wanted : "auto";
  root.dataset.theme = theme === "auto" ? (prefersDark.matches ? "dark" : "light") : theme;
  find("theme").replaceChildren("◐ ", make("span", {}, state.theme));
  const words = state.theme === "auto" ? "as the system has it" : state.theme;
  find("theme").setAttribute("aria-label", `Theme: ${words}`);
  drawAll();
}
find("theme").addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(state.theme) + 1) % THEMES.length];
  chooses("theme", () => applyTheme())(next);
});
prefersDark.addEventListener("change", () => applyTheme());
addEventListener("beforeprint", () => applyTheme("light")); // paper is light
addEventListener("afterprint", () => applyTheme());
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === width) return;
  width = innerWidth;
  clearTimeout(drawAll.timer);
  drawAll.timer = setTimeout(drawAll, 120);
});

function goTo(id) {
  section = id;
  writeAddress();
  find(id).scrollIntoView();
  find(id).focus({ preventScroll: true });
}
for (const link of document.querySelectorAll('a[href^="#"]'))
  link.addEventListener("click", (event) => {
    event.preventDefault();
    goTo(link.getAttribute("href").slice(1));
  });

function start() {
  readAddress();
  offerGroups();
  applyTheme();
  if (section) find(section).scrollIntoView();
}
if (document.createElement("canvas").getContext("2d")) {
  root.classList.add("scripted"); // from here on pictures need not stand in
  start();
  addEventListener("hashchange", start); // somebody gave another address
  root.dataset.ready = "yes";
}
