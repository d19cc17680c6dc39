"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const all = (query, inside = document) => [...inside.querySelectorAll(query)];
  const at = (id) => document.getElementById(id);

  /* Elements are made from text alone: nothing is ever parsed as HTML. */
  const fill = (made, given, children) => {
    for (const [name, value] of Object.entries(given)) made.setAttribute(name, value);
    made.append(...children.filter((child) => child !== null));
    return made;
  };
  const make = (tag, given = {}, ...children) => fill(document.createElement(tag), given, children);
  const draw = (tag, given = {}, ...children) => fill(document.createElementNS(SVG, tag), given, children);

  /* Sorting: by the first number of a cell where there is one, what is missing last. */
  const key = (cell) => {
    const text = cell.textContent.trim();
    if (text === "" || text === "\u2013") return null;
    const number = /^[+\u2212-]?[\d,]*\.?\d+/.exec(text);
    return number ? Number(number[0].replaceAll(",", "")) : text.toLowerCase();
  };
  const compare = (a, b, way) => {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a === typeof b) return way * (a < b ? -1 : a > b ? 1 : 0);
    return typeof a === "number" ? -1 : 1;
  };
  const sort = (head) => {
    const table = head.closest("table");
    const body = table.tBodies[0];
    const place = [...head.parentNode.children].indexOf(head);
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const rows = [...body.rows].map((row, i) => [key(row.cells[place]), i, row]);
    rows.sort((a, b) => compare(a[0], b[0], up ? 1 : -1) || a[1] - b[1]);
    body.append(...rows.map((row) => row[2]));
  };

  /* Filtering: rows are hidden, marks in figures fade. */
  const form = at("filter");
  const filter = () => {
    const words = at("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = { t: at("by-task").value, b: at("by-backbone").value, m: at("by-method").value };
    const front = at("front").checked;
    const fits = (set, more) =>
      Object.entries(wanted).every(([name, value]) => !value || !set[name] || set[name] === value || (name === "t" && value.startsWith(`${set.t} (`))) &&
      words.every((word) => `${set.t ?? ""} ${more} ${set.b ?? ""} ${set.m ?? ""}`.toLowerCase().includes(word));
    let shown = 0;
    let there = 0;
    for (const table of all("main table")) {
      const main = table.classList.contains("problem");
      for (const row of table.tBodies[0].rows) {
        const on = fits(row.dataset, "") && (!front || !main || "front" in row.dataset);
        row.hidden = !on;
        if (main) { there += 1; shown += on; }
      }
    }
    for (const block of all("section.block[data-t]")) {
      const rows = all("table.problem tbody tr", block);
      block.hidden = rows.length > 0 && rows.every((row) => row.hidden);
      const open = new Set(rows.filter((row) => !row.hidden).map((row) => row.dataset.row));
      for (const item of all("svg [data-b]", block)) {
        const on = "row" in item.dataset ? open.has(item.dataset.row) : fits(item.dataset, block.dataset.t);
        item.classList.toggle("off", !on);
      }
    }
    for (const item of all("#labels svg [data-b]")) item.classList.toggle("off", !fits(item.dataset, ""));
    at("count").textContent = shown === there ? `${there} rows` : `${shown} of ${there} rows`;
  };

  /* One row: what its predictions look like, what it cost, where it comes from. */
  const pairs = (entries, many = false) =>
    make("dl", { class: many ? "pairs many" : "pairs" }, ...entries.flatMap(([name, value]) => {
      const both = [make("dt", {}, name), make("dd", {}, value)];
      return many ? [make("div", {}, ...both)] : both;
    }));
  const cellsOf = (row) => {
    const heads = [...row.closest("table").tHead.rows[0].cells].map((head) => head.textContent.trim());
    return [...row.cells].map((cell, i) => [heads[i], cell.textContent.trim()]);
  };
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const table = (heads, rows) =>
    make("table", {},
      make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
      make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((cell) => cell instanceof Node ? cell : make("td", { class: "number" }, String(cell)))))));
  const scrolled = (label, inner) => make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, inner);

  const triples = (flat) => Array.from({ length: flat.length / 3 }, (_, i) => flat.slice(3 * i, 3 * i + 3));
  const SMALL = 12;
  const SHORT = 18;

  /* A class by its name, cut where it is long, with the whole of it in a title; or by its number. */
  const named = (names) => (n) => names?.[n] || String(n);
  const called = (name, tag, given = {}) => {
    const letters = [...name];
    if (letters.length <= SHORT) return make(tag, given, name);
    return make(tag, { ...given, title: name }, `${letters.slice(0, SHORT - 1).join("").trimEnd()}\u2026`);
  };

  const matrix = (classes, found, names) => {
    const name = named(names);
    const totals = new Map();
    for (const [truth, , count] of found) totals.set(truth, (totals.get(truth) ?? 0) + count);
    const share = (truth, count) => count / (totals.get(truth) || 1);
    if (classes <= SMALL) {
      const counts = new Map(found.map(([truth, said, count]) => [`${truth} ${said}`, count]));
      const numbers = Array.from({ length: classes }, (_, i) => i);
      const body = numbers.map((truth) => make("tr", {}, called(name(truth), "th", { scope: "row" }), ...numbers.map((said) => {
        const count = counts.get(`${truth} ${said}`) ?? 0;
        const cell = make("td", count ? { class: truth === said ? "right" : "wrong" } : {}, count ? String(count) : "");
        cell.style.setProperty("--s", share(truth, count).toFixed(3));
        return cell;
      })));
      const head = make("tr", {}, make("th", { scope: "col" }, "true \u2193"), ...numbers.map((n) => called(name(n), "th", { scope: "col" })));
      return scrolled("Confusion matrix", make("table", { class: names ? "matrix named" : "matrix" }, make("thead", {}, head), make("tbody", {}, ...body)));
    }
    const heat = draw("svg", { class: "plot heat", viewBox: `0 0 ${classes} ${classes}`, role: "img", "aria-label": `Confusion matrix of ${classes} classes, true down, predicted across. The table of the most frequent confusions has numbers.` });
    for (const [truth, said, count] of found) {
      heat.append(draw("rect", { class: truth === said ? "right" : "wrong", x: said, y: truth, width: 1, height: 1, "fill-opacity": (0.15 + 0.85 * share(truth, count)).toFixed(2) },
        draw("title", {}, `true ${name(truth)}, predicted ${name(said)}: ${count}, ${percent(share(truth, count))} of the class`)));
    }
    return heat;
  };

  const confusion = ([classes, records, items, flat, , place]) => {
    const names = place === null ? null : data.classes[place];
    const found = triples(flat);
    const totals = new Map();
    for (const [truth, , count] of found) totals.set(truth, (totals.get(truth) ?? 0) + count);
    const wrong = found.filter(([truth, said]) => truth !== said).sort((a, b) => b[2] - a[2]).slice(0, 8);
    const label = (n) => names ? called(named(names)(n), "td", { class: "words" }) : n;
    const rows = wrong.map(([truth, said, count]) => [label(truth), label(said), count, percent(count / totals.get(truth))]);
    return make("div", {}, make("h3", {}, "Confusion matrix"),
      make("p", { class: "note" }, `${names ? "Classes" : "Class ids"}, true down, predicted across; ${items.toLocaleString("en-US")} items over ${records} ${records === 1 ? "record" : "records"}. Shades are shares of a true class.`),
      matrix(classes, found, names),
      make("details", { class: "legend" }, make("summary", {}, "Most frequent confusions"),
        rows.length ? scrolled("Most frequent confusions", table(["true", "predicted", "items", "of the class"], rows)) : make("p", {}, "None: every item is right.")));
  };

  const reliability = ([, , , , flat]) => {
    const bins = triples(flat);
    const there = bins.map(([n, p, right], i) => [i, n, p / n, right / n]).filter((bin) => bin[1] > 0);
    if (there.length === 0) return make("div", {}, make("h3", {}, "Reliability diagram"), make("p", {}, "No probabilities are stored."));
    const most = Math.max(...there.map((bin) => bin[1]));
    const x = (value) => (42 + 250 * value).toFixed(1);
    const y = (value) => (262 - 250 * value).toFixed(1);
    const svg = draw("svg", { class: "plot reliable", viewBox: "0 0 310 300", role: "img", "aria-label": "Reliability diagram: share of right predictions against the probability given to them. The table of its bins has the numbers." });
    for (const tick of [0, 0.2, 0.4, 0.6, 0.8, 1]) {
      svg.append(draw("path", { class: "rule", d: `M42 ${y(tick)}H292` }),
        draw("text", { class: "tick", x: 37, y: Number(y(tick)) + 4, "text-anchor": "end" }, String(100 * tick)),
        draw("text", { class: "tick", x: x(tick), y: 278, "text-anchor": "middle" }, String(100 * tick)));
    }
    for (const [i, n] of there) {
      const height = Math.max(1, (60 * n) / most);
      svg.append(draw("rect", { class: "fill", "fill-opacity": "0.35", x: x(i / bins.length), y: 262 - height, width: 250 / bins.length - 1, height }));
    }
    svg.append(draw("path", { class: "ideal", d: `M${x(0)} ${y(0)}L${x(1)} ${y(1)}` }),
      draw("path", { class: "axis", d: "M42 12V262H292" }),
      draw("text", { class: "title", x: 167, y: 296, "text-anchor": "middle" }, "probability of the predicted class, %"),
      draw("text", { class: "title", x: -137, y: 11, "text-anchor": "middle", transform: "rotate(-90)" }, "right, %"));
    for (const [, n, p, right] of there) {
      svg.append(draw("path", { class: "gap", d: `M${x(p)} ${y(p)}V${y(right)}` }),
        draw("circle", { class: "mark c0", cx: x(p), cy: y(right), r: 4.5 }, draw("title", {}, `${percent(p)} said, ${percent(right)} right, ${n} items`)));
    }
    const rows = there.map(([i, n, p, right]) => [`${percent(i / bins.length)} to ${percent((i + 1) / bins.length)}`, percent(p), percent(right), n]);
    return make("div", {}, make("h3", {}, "Reliability diagram"),
      make("p", { class: "note" }, "Dashed: as often right as said. Columns at the bottom: how many items."), svg,
      make("details", { class: "legend" }, make("summary", {}, "Its bins"), table(["probability", "mean", "right", "items"], rows)));
  };

  const scores = (values) => Object.entries(values).map(([name, value]) => `${name} ${value === null ? "\u2013" : value.toFixed(4)}`).join(", ");
  const code = (text) => make("code", {}, text);
  const record = (one) => {
    const entries = [["record", code(`records/${one.run}.${one.attempt}.json`)]];
    if (one.predictions) entries.push(["predictions", code(`predictions/${one.predictions}.safetensors`)]);
    const setting = data.settings[one.setting];
    entries.push(["run id", code(one.run)], ["date", one.date], ["device", `${setting.facts.device}, ${setting.facts.precision}`], ["commit", code(setting.facts.commit)]);
    if (Object.keys(one.metrics).length) entries.push(["scores", scores(one.metrics)]);
    if (one.seconds !== null) entries.push(["seconds", one.seconds.toFixed(3)]);
    const chosen = Object.entries(one.parameters).map(([name, value]) => `${name} = ${value}`).join(", ");
    if (chosen) entries.push(["settings", chosen]);
    const title = `draw ${one.draw}, seed ${one.seed}${one.of[3] ? `, control ${one.of[3]}` : ""}`;
    const failed = one.failure ? [
      make("p", {}, make("strong", {}, `Failed: ${one.failure.kind}. `), one.failure.message),
      one.failure.tail ? make("pre", { tabindex: "0" }, one.failure.tail) : null,
    ] : [];
    return make("div", { class: one.failure ? "record bad" : "record" }, make("h4", {}, `${one.of.slice(0, 3).join(" / ")}, ${title}`), ...failed, pairs(entries));
  };

  const MANY = 60;
  const dialog = at("row");
  const show = (row) => {
    const set = row.dataset;
    const body = at("row-body");
    const names = [set.b, set.m].filter(Boolean).join(" / ");
    at("row-title").textContent = set.t ? `${names} on ${set.t}` : names;
    body.replaceChildren(make("h3", {}, "Numbers"), pairs(cellsOf(row), true));
    const places = (set.at ?? "").split(" ").filter(Boolean).map(Number);
    const records = places.map((place) => data.records[place]);
    const failed = records.filter((one) => one.failure);
    if (failed.length) {
      body.append(make("h3", {}, `Failed cells: ${failed.length} of ${records.length}`),
        make("ul", {}, ...failed.map((one) => make("li", {}, `draw ${one.draw}, seed ${one.seed}: ${one.failure.kind}. ${one.failure.message}`))));
    }
    const details = "row" in set ? data.rows[Number(set.row)] : null;
    if (details) body.append(make("div", { class: "two" }, confusion(details), reliability(details)));
    const costs = "row" in set && !row.closest("#ledger") && document.querySelector(`#ledger tr[data-row="${Number(set.row)}"]`);
    if (costs && !row.closest("#controls")) {
      body.append(make("h3", {}, "What its cells cost"), pairs(cellsOf(costs).slice(3), true));
    }
    body.append(make("h3", {}, `Records (${records.length})`), ...records.slice(0, MANY).map(record));
    if (records.length > MANY) {
      body.append(make("h4", {}, "Further records"), pairs(records.slice(MANY).map((one) => [`draw ${one.draw}, seed ${one.seed}`, code(`records/${one.run}.${one.attempt}.json`)])));
    }
    const used = [...new Set(records.map((one) => one.setting))].map((number) => data.settings[number]);
    for (const setting of used) {
      const packages = Object.entries(setting.packages).map(([name, version]) => `${name} ${version}`).join(", ");
      body.append(make("h3", {}, "Ran with"), pairs([...Object.entries(setting.facts), ...(packages ? [["packages", packages]] : [])]));
    }
    dialog.showModal();
    dialog.scrollTop = 0;
    at("row-title").focus();
  };

  document.addEventListener("click", (event) => {
    const target = event.target;
    if (target === dialog) return dialog.close();
    const button = target.closest("button");
    if (button?.id === "close") return dialog.close();
    if (button?.classList.contains("sort")) return sort(button.closest("th"));
    if (button?.classList.contains("columns")) {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      return button.previousElementSibling.classList.toggle("all", on);
    }
    if (button && "show" in button.dataset) {
      for (const other of button.parentNode.children) other.setAttribute("aria-pressed", String(other === button));
      for (const plot of all("svg[data-plot]", button.closest("figure"))) plot.toggleAttribute("hidden", plot.dataset.plot !== button.dataset.show);
      return undefined;
    }
    const item = target.closest("svg [data-row]");
    const row = item ? document.querySelector(`table.problem tr[data-row="${Number(item.dataset.row)}"]`) : target.closest("main tr[data-at]");
    if (row && (item || button || getSelection().isCollapsed)) show(row);
    return undefined;
  });
  if (form) {
    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(filter));
    filter();
  }
})();
