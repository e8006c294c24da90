// All of it: groups, themes, sizes of the window.

function draw(index) {
  group = data.groups[index];
  room = find("runs").clientWidth;
  find("answer").hidden = index !== 0; // it is a picture of the first group
  verdict();
  drawParallel();
  drawSizes();
  drawCurves();
  drawSparsity();
  drawMasks();
  drawProvenance(index);
}

let shown = 0;
function showGroup(index) {
  shown = index;
  parallel.extents.clear();
  hidden.clear();
  for (const [i, button] of [...find("groups").children].entries())
    button.setAttribute("aria-pressed", String(i === index));
  draw(index);
}

const THEMES = ["auto", "light", "dark"];
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
let theme = "auto";
function applyTheme(wanted = theme) {
  root.dataset.theme = wanted === "auto" ? (prefersDark.matches ? "dark" : "light") : wanted;
  if (group) draw(shown);
}
find("theme").addEventListener("click", () => {
  theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  find("theme").replaceChildren("◐ ", make("span", {}, theme));
  find("theme").setAttribute(
    "aria-label",
    `Theme: ${theme === "auto" ? "as the system has it" : theme}`,
  );
  applyTheme();
});
prefersDark.addEventListener("change", () => applyTheme());
addEventListener("beforeprint", () => applyTheme("light")); // paper is light
addEventListener("afterprint", () => applyTheme());
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === width) return;
  width = innerWidth;
  clearTimeout(showGroup.timer);
  showGroup.timer = setTimeout(() => draw(shown), 120);
});

if (document.createElement("canvas").getContext("2d")) {
  root.classList.add("scripted"); // from here on pictures need not stand in
  if (data.groups.length > 1) {
    find("groups").hidden = false;
    put(
      "groups",
      ...data.groups.map((of, i) =>
        make(
          "button",
          { type: "button", onclick: () => showGroup(i) },
          `Group ${i + 1}: ${of.title} (${plural(of.num_runs, "run")})`,
        ),
      ),
    );
  }
  applyTheme();
  showGroup(0);
  root.dataset.ready = "yes";
}
