// The kernels of the first layer, where it has some.

const KERNEL_CELL = 8,
  KERNEL_GAP = 7;

function drawKernels() {
  find("kernels-lede").hidden = !group.kernels.length;
  const byRatio = grouped(group.kernels, (row) => `${row[1]} ${row[2]}`);
  put(
    "kernels",
    ...byRatio.map(([, rows]) =>
      make(
        "div",
        { class: "kernels" },
        make("h4", {}, `ratio ${ratioText(rows[0][2])}, ${roundsOf(rows[0][1])}`),
        make("div", { class: "pair" }, ...rows.map(kernelPicture)),
        make(
          "div",
          { class: "key" },
          ...[
            ["above 0", "kernel-positive"],
            ["below 0", "kernel-negative"],
            ["pruned", "kernel-pruned"],
          ].map(([text, mark]) => make("span", {}, make("i", { class: mark }), text)),
        ),
      ),
    ),
  );
}

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
      value === null ? "kernel-pruned 4" : `kernel-${value < 0 ? "negative" : "positive"} ${shadeOf}`;
    const side = value === null ? 1.6 : KERNEL_CELL,
      shift = (KERNEL_CELL - side) / 2;
    const square = `M${x + shift} ${y + shift}h${side}v${side}h${-side}z`;
    paths.set(key, (paths.get(key) ?? "") + square);
  });
  const drawnPaths = [...paths].map(([key, d]) => {
    const [name, level] = key.split(" ");
    return drawn("path", { d, class: name, "fill-opacity": 0.2 + 0.2 * level });
  });
  const picture = drawn(
    "svg",
    {
      width: size[0],
      height: size[1],
      viewBox: `0 0 ${size[0]} ${size[1]}`,
      role: "img",
      "aria-label":
        `Kernels of ${layer}, ${method} at ratio ${ratioText(ratio)}: ` +
        `${kept} of ${values.length} weights kept`,
    },
    ...drawnPaths,
  );
  const caption = `${ticket}, ${layer}: ${kept} of ${values.length} weights`;
  return make("figure", {}, picture, make("figcaption", {}, caption));
}
