// Where it all comes from.

function drawProvenance(index) {
  const { revision, software, groups, machines } = data.provenance,
    of = groups[index];
  fillTable(
    find("protocol"),
    ["", "here", "paper"],
    of.protocol.map((row) => ({
      cells: [
        row.item,
        make("span", { class: row.departs ? "departs" : null }, row.departs ? "≠ " : "", row.here),
        row.paper,
      ],
    })),
  );
  const words = (value) => {
    if (Array.isArray(value)) return value.map(words).join("-");
    if (value === null || typeof value !== "object") return value;
    return Object.entries(value)
      .map(([key, inner]) => `${key} ${words(inner)}`)
      .join(" ");
  };
  const list = (object) =>
    Object.entries(object)
      .map(([key, value]) => `${key.replaceAll("_", " ")} ${words(value)}`)
      .join(", ");
  const { shapes: ignored, ...model } = of.model; // a line for each parameter
  const seeds = of.n.seeds;
  const listOfSeeds = seeds.length > 12 ? `${seeds[0]} to ${seeds.at(-1)}` : seeds.join(", ");
  const facts = [
    [
      "n",
      `${plural(of.n.runs, "run")} of ${plural(of.n.tickets, "ticket")}, ` +
        `${plural(of.n.experiments, "experiment")}, ` +
        `${plural(seeds.length, "seed")} (${listOfSeeds}), ` +
        plural(of.n.evaluations, "evaluation"),
    ],
    [
      "engine",
      `${of.train.engine} on ${of.train.device}, ${plural(of.train.threads, "thread")} a training`,
    ],
    ...(machines ? [["trained on", machines.note]] : []),
    ["retrained with", list(of.train)],
    ...of.train_of_tickets.map((train) => ["tickets found with", list(train)]),
    ["model", list(model)],
    ["prunable", of.prunable],
    ["judged with", list(of.judged_with)],
    [
      "data",
      list({
        name: of.data.name,
        train: of.data.train,
        validation: of.data.validation,
        test: of.data.test,
      }),
    ],
    ...of.data_digests.map((digest) => ["data, SHA-256", digest]),
    ["report made with", list(software)],
    ["git revision", revision ? revision.commit : "not in a git repository"],
    ...(revision && revision.changed.length
      ? [
          [
            "uncommitted",
            revision.changed.slice(0, 6).join(", ") +
              (revision.changed.length > 6 ? ` and ${revision.changed.length - 6} more` : ""),
          ],
        ]
      : []),
  ];
  put("facts", ...facts.flatMap(([key, value]) => [make("dt", {}, key), make("dd", {}, value)]));
  const folders = data.left_out;
  put(
    "left-out",
    ...(folders.length
      ? [
          make("h3", {}, `Left out: ${plural(folders.length, "damaged folder")}`),
          make(
            "ul",
            { class: "notes" },
            ...folders.map((one) =>
              make(
                "li",
                {},
                one.reason.startsWith(one.folder) ? one.reason : `${one.folder}: ${one.reason}`,
              ),
            ),
          ),
        ]
      : []),
  );
}
