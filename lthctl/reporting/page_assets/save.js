// Tables and pictures to keep: this page travels as one file, so they are saved from it.

/** Text that a spreadsheet would run as a formula gets an apostrophe, as names come from files. */
function csvCell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
const csvOf = (rows) => rows.map((row) => `${row.map(csvCell).join(",")}\n`).join("");

function save(name, content, type) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

const KEPT_STYLES = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "stroke-linejoin",
  "opacity",
  "image-rendering",
  "font-family",
  "font-size",
  "font-weight",
  "text-anchor",
  "paint-order",
  "visibility",
  "display",
];

/** Some charts as one SVG under each other, with their captions, as they look now. */
function pictureOf(charts) {
  const space = 30;
  let width = 0,
    height = 0;
  const parts = charts.map(({ box, caption }) => {
    const shown = box.querySelector("svg");
    const copy = shown.cloneNode(true);
    const copies = [copy, ...copy.querySelectorAll("*")];
    for (const [i, node] of [shown, ...shown.querySelectorAll("*")].entries()) {
      const styles = getComputedStyle(node);
      const kept = KEPT_STYLES.map((name) => [name, styles.getPropertyValue(name)]);
      if (node.isConnected)
        copies[i].setAttribute("style", kept.map((of) => of.join(":")).join(";"));
      copies[i].removeAttribute("tabindex");
    }
    const size = ["width", "height"].map((of) => Number(shown.getAttribute(of)));
    const canvas = box.querySelector("canvas");
    if (canvas)
      copy.prepend(
        drawn("image", { width: size[0], height: size[1], href: canvas.toDataURL("image/png") }),
      );
    copy.setAttribute("y", height + space);
    const words = drawn("text", { x: 12, y: height + 20, style: captionStyle() }, caption);
    width = Math.max(width, size[0]);
    height += size[1] + space + 6;
    return [words, copy];
  });
  const picture = drawn(
    "svg",
    { width, height, viewBox: `0 0 ${width} ${height}` },
    drawn("rect", { width, height, style: `fill:${styleOf("--paper")}` }),
    ...parts.flat(),
  );
  return new XMLSerializer().serializeToString(picture);
}
const captionStyle = () => `font:600 14px ${FAMILY.replaceAll('"', "'")};fill:${styleOf("--ink")}`;

/** The picture in pixels, twice as many as on the page. */
async function pixelsOf(svg) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = make("canvas", { width: 2 * image.width, height: 2 * image.height });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

/**
 * Buttons that save what is shown.
 *
 * name: of the file, without its ending. rows: a function that gives the table, its header first.
 * charts: a function that gives [{box, caption}], or nothing where there is no picture.
 */
function saveButtons(name, { rows, charts }) {
  const button = (kind, action) =>
    make(
      "button",
      { type: "button", "aria-label": `Save ${name}.${kind.toLowerCase()}`, onclick: action },
      kind,
    );
  const svg = () => pictureOf(charts());
  return make(
    "div",
    { class: "save", role: "group", "aria-label": `Save ${name}` },
    "save ",
    charts && button("SVG", () => save(`${name}.svg`, svg(), "image/svg+xml")),
    charts && button("PNG", async () => save(`${name}.png`, await pixelsOf(svg()), "image/png")),
    rows && button("CSV", () => save(`${name}.csv`, csvOf(rows()), "text/csv")),
  );
}
