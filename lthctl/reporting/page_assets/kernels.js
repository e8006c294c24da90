// The kernels of the first layer, where it has some.

const KERNEL_COLOURS = { above: "var(--accent)", below: "var(--bad)", pruned: "var(--faint)" };
const KERNEL_CELL = 8,
  KERNEL_GAP = 7;

function drawKernels() {
  find("kernels-lede").hidden = !group.kernels.length;
  const byRatio = grouped(group.kernels, (row) => `${row[1]} ${row[2]}`);
  find("kernels").classList.add("pixels");
  put(
    "kernels",
    ...byRatio.map(([, rows]) =>
      make(
        "div",
        {},
        make("h4", {}, `ratio ${ratioText(rows[0][2])}, ${roundsOf(rows[0][1])}`),
        make("div", { class: "pair" }, ...rows.map(kernelPicture)),
        make(
          "p",
          { class: "notes" },
          ...[
            ["above", "■ above 0 "],
            ["below", "■ below 0 "],
            ["pruned", "· pruned"],
          ].map(([mark, text]) =>
            make("span", { style: `color:${KERNEL_COLOURS[mark]}` }, `${text}\u2003`),
          ),
        ),
      ),
    ),
  );
  put("kernels-save", group.kernels.length ? saveKernels() : "");
}

const saveKernels = () =>
  saveButtons("kernels", {
    rows: () => [
      ["ticket", "layer", "channel", "colour", "row", "column", "weight"],
      ...group.kernels.flatMap(([, , , ticket, layer, [, inputs, height, width], values]) =>
        values.map((value, i) => [
          ticket,
          layer,
          Math.floor(i / (inputs * height * width)) + 1,
          (Math.floor(i / (height * width)) % inputs) + 1,
          (Math.floor(i / width) % height) + 1,
          (i % width) + 1,
          value,
        ]),
      ),
    ],
    charts: () =>
      [...find("kernels").querySelectorAll("figure")].map((box) => ({
        box,
        caption: box.querySelector("figcaption").textContent,
      })),
  });

function kernelPicture([method, , ratio, ticket, layer, shape, values]) {
  const [outputs, inputs, height, width] = shape;
  const across = Math.min(outputs, Math.max(4, Math.round(42 / width)));
  const tall = inputs * height * KERNEL_CELL + (inputs - 1) * 2;
  const wide = width * KERNEL_CELL;
  const size = [
    across * (wide + KERNEL_GAP) - KERNEL_GAP,
    Math.ceil(outputs / across) * (tall + KERNEL_GAP) - KERNEL_GAP,
  ];
  const most = d3.max(values, (value) => Math.abs(value)) || 1;
  const kept = values.filter((value) => value !== null).length;
  // A path for each shade, as there may be thousands of weights.
  const paths = new Map();
  values.forEach((value, index) => {
    const place = index % (height * width),
      plane = Math.floor(index / (height * width)),
      output = Math.floor(plane / inputs);
    const x = (output % across) * (wide + KERNEL_GAP) + (place % width) * KERNEL_CELL,
      y =
        Math.floor(output / across) * (tall + KERNEL_GAP) +
        (plane % inputs) * (height * KERNEL_CELL + 2) +
        Math.floor(place / width) * KERNEL_CELL;
    const shadeOf = Math.ceil((4 * Math.abs(value)) / most);
    const key =
      value === null ? "pruned 4" : `${value < 0 ? "below" : "above"} ${shadeOf}`;
    const side = value === null ? 1.6 : KERNEL_CELL,
      shift = (KERNEL_CELL - side) / 2;
    const square = `M${x + shift} ${y + shift}h${side}v${side}h${-side}z`;
    paths.set(key, (paths.get(key) ?? "") + square);
  });
  const drawnPaths = [...paths].map(([key, d]) => {
    const [name, level] = key.split(" ");
    const style = `fill:${KERNEL_COLOURS[name]};fill-opacity:${0.2 + 0.2 * level}`;
    return drawn("path", { d, style });
  });
  const picture = drawn(
    "svg",
    {
      width: size[0],
      height: size[1],
      viewBox: `0 0 ${size[0]} ${size[1]}`,
      role: "img",
      style: "max-width:100%;height:auto;display:block",
      "aria-label":
        `Kernels of ${layer}, ${method} at ratio ${ratioText(ratio)}: ` +
        `${kept} of ${values.length} weights kept`,
    },
    ...drawnPaths,
  );
  const caption = `${ticket}, ${layer}: ${kept} of ${values.length} weights`;
  return make("figure", {}, picture, make("figcaption", {}, caption));
}
