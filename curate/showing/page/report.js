"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const whole = (number) => Math.round(number).toLocaleString("en");
  const percent = (share) => `${(100 * share).toFixed(1)} %`;

  // Theme: the system's, or the one that was chosen; nothing is kept when the page is closed.
  const themes = ["system", "light", "dark"];
  const theme = byId("theme");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const now = document.documentElement.dataset.theme || "system";
    const next = themes[(themes.indexOf(now) + 1) % themes.length];
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    theme.querySelector("span").textContent = next;
  });

  // The sheet: one kind of rows at a time, and one slider for all of them.
  const kinds = [...document.querySelectorAll("[data-kind]")];
  const showKind = (kind) => {
    for (const button of kinds) button.setAttribute("aria-pressed", button.dataset.kind === kind);
    for (const rows of document.querySelectorAll("[data-rows]")) rows.hidden = rows.dataset.rows !== kind;
  };
  for (const button of kinds) button.addEventListener("click", () => showKind(button.dataset.kind));
  if (kinds.length) showKind(kinds[0].dataset.kind);
  const fade = byId("fade");
  const applyFade = () => document.documentElement.style.setProperty("--fade", fade.value / 100);
  fade.addEventListener("input", applyFade);
  applyFade();

  // One image, large: image, labels and scores above each other.
  const large = byId("large");
  const largeFade = byId("large-fade");
  const fadeLarge = () => {
    const at = largeFade.value / 100;
    byId("large-stack").querySelectorAll("img").forEach((picture, index) => {
      picture.style.opacity = index === 0 ? 1 : Math.min(Math.max(at - index + 1, 0), 1);
    });
  };
  largeFade.addEventListener("input", fadeLarge);
  byId("close").addEventListener("click", () => large.close());
  for (const button of document.querySelectorAll(".open")) {
    button.addEventListener("click", () => {
      const row = button.closest(".row");
      byId("large-h").textContent = button.textContent;
      byId("large-text").textContent = [...row.querySelectorAll(".dim, .why")].map((p) => p.textContent).join(" · ");
      const panels = [...row.querySelectorAll(".panel")].slice(0, 3);
      const pictures = panels.map((panel, index) => panel.querySelector(index ? "img.overlay" : "img"));
      byId("large-stack").replaceChildren(...pictures.filter(Boolean).map((picture, index) => {
        const copy = make("img", { src: picture.src, alt: picture.alt });
        if (index) copy.className = picture.className.replace("alone", "");
        return copy;
      }));
      largeFade.value = 0;
      fadeLarge();
      large.showModal();
    });
  }

  // The cut: tables of what is kept at every quarter of a percent.
  const cut = { unit: data.cuts.length ? data.cuts[0].unit : "", rankBy: data.rankBy };
  const tableOf = () => data.cuts.find((t) => t.unit === cut.unit && t.rankBy === cut.rankBy)
    || data.cuts.find((t) => t.unit === cut.unit);
  const choose = (box, key, names) => {
    for (const name of names) {
      const button = make("button", { type: "button", textContent: `by ${name}` });
      button.addEventListener("click", () => { cut[key] = name; showCut(); });
      button.dataset.name = name;
      box.append(button);
    }
  };
  const share = byId("cut-share");
  const names = (key) => [...new Set(data.cuts.map((table) => table[key]))];
  choose(byId("cut-unit"), "unit", names("unit"));
  choose(byId("cut-rank"), "rankBy", names("rankBy"));
  const bar = (kept, of) => {
    const box = make("span", { className: "share" });
    const fill = make("i");
    const mark = make("b");
    fill.style.width = `${100 * kept}%`;
    mark.style.left = `calc(${100 * of}% - 1px)`;
    mark.title = "all classes together";
    box.append(fill, mark);
    return box;
  };
  const keptRow = (name, px, kept, all, swatch) => {
    const head = make("th", { scope: "row" });
    if (swatch !== undefined) {
      const mark = make("i", { className: "swatch" });
      mark.dataset.class = swatch;
      head.append(mark);
    }
    head.append(name);
    const remark = px === 0 ? "not shown" : kept < all / 2 ? "loses more than half of its share" : "";
    return make("tr", {}, head,
      make("td", { className: "num", textContent: whole(px) }),
      make("td", { className: "num", textContent: whole(px * kept) }),
      make("td", {}, bar(kept, all), ` ${percent(kept)}`),
      make("td", { className: "remark", textContent: remark }));
  };
  const showCut = () => {
    const table = tableOf();
    const step = Number(share.value);
    for (const [id, key] of [["cut-unit", "unit"], ["cut-rank", "rankBy"]]) {
      for (const button of byId(id).children) button.setAttribute("aria-pressed", button.dataset.name === table[key]);
    }
    const text = `${Number((step / 4).toFixed(2))} %`;
    byId("cut-text").textContent = text;
    share.setAttribute("aria-valuetext", text);
    const px = table.classPx.reduce((a, b) => a + b, 0);
    const kept = table.classPx.reduce((sum, n, c) => sum + n * table.classKept[c][step], 0);
    const all = px ? kept / px : 0;
    const limit = table.thresholds[step];
    const unit = table.unit === "pixel" ? "cell" : table.unit;
    byId("cut-summary").textContent = `${whole(table.kept[step])} of ${whole(table.total)} ${unit}s are kept, `
      + `with ${percent(all)} of the pixels${limit === null ? "" : `; the lowest has ${table.rankBy} ${limit.toFixed(3)}`}.`
      + (table.unit === "image" ? "" : ` Shares of classes are estimates here, a region counting as its commonest class: export-subset counts labels.`);
    byId("cut-command").textContent = `curate export-subset --top ${(step / 4)}% --by ${table.unit}`
      + (table.rankBy === data.rankBy ? "" : ` --rank-by ${table.rankBy}`);
    const rows = table.classPx.map((n, c) => keptRow(data.classNames[c], n, table.classKept[c][step], all, c));
    if (table.setPx.length > 1) {
      table.setPx.forEach((n, s) => rows.push(keptRow(`Set ${data.setNames[s]}`, n, table.setKept[s][step], all)));
    }
    byId("cut-table").tBodies[0].replaceChildren(...rows);
  };
  share.addEventListener("input", showCut);
  if (data.cuts.length) showCut();
  else byId("cut").hidden = true;

  // The table: every column sorts and filters, a page at a time.
  const unpack = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const count = data.ids.length;
  const numClasses = data.classNames.length;
  const shares = unpack(data.classShare);
  const scores = unpack(data.classScore);
  const columns = [{ name: "image", isText: true, of: (row) => data.ids[row] }];
  if (data.setNames.length > 1) columns.push({ name: "set", isText: true, of: (row) => data.setNames[data.sets[row]] });
  columns.push({ name: "status", isText: true, of: (row) => data.statuses[row] });
  for (const each of data.columns) columns.push({ name: each.name, of: (row) => each.values[row] });
  const ofClass = (index, values) => (row) => {
    const share = shares[row * numClasses + index];
    return share === 0 ? null : Math.round(values[row * numClasses + index] / 2.55) / 100;
  };
  const perPage = 25;
  const state = { sort: "score", isDown: false, filters: new Map(), page: 0, extra: [] };
  const shown = () => columns.concat(state.extra);

  const parse = (text, isText) => {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return null;
    if (isText) return (value) => String(value).toLowerCase().includes(wanted);
    const number = "(-?(?:\\d+\\.?\\d*|\\.\\d+))";
    let match = wanted.match(new RegExp(`^${number}\\s*\\.\\.\\s*${number}$`));
    if (match) return (value) => value !== null && value >= Number(match[1]) && value <= Number(match[2]);
    match = wanted.match(new RegExp(`^(<=|>=|<|>|=)?\\s*${number}$`));
    if (!match) return undefined;
    const limit = Number(match[2]);
    const compare = {
      "<": (v) => v < limit, "<=": (v) => v <= limit, ">": (v) => v > limit, ">=": (v) => v >= limit,
    }[match[1]] || ((v) => v === limit);
    return (value) => value !== null && compare(value);
  };
  const listed = () => {
    const tests = [];
    for (const column of shown()) {
      const test = parse(state.filters.get(column.name) || "", column.isText);
      if (test) tests.push((row) => test(column.of(row)));
    }
    const rows = [];
    for (let row = 0; row < count; row += 1) if (tests.every((test) => test(row))) rows.push(row);
    const column = shown().find((each) => each.name === state.sort) || columns[0];
    const sign = state.isDown ? -1 : 1;
    const values = new Map(rows.map((row) => [row, column.of(row)]));
    return rows.sort((a, b) => {
      const [left, right] = [values.get(a), values.get(b)];
      if (left === right) return a - b;
      if (left === null || right === null) return left === null ? 1 : -1;
      return sign * (left < right ? -1 : 1);
    });
  };
  const head = byId("images").tHead;
  const drawHead = () => {
    const titles = make("tr");
    const inputs = make("tr");
    for (const column of shown()) {
      const cell = make("th", { scope: "col", className: column.isText ? "" : "num" });
      const button = make("button", { type: "button", textContent: column.name });
      button.addEventListener("click", () => {
        state.isDown = state.sort === column.name ? !state.isDown : false;
        state.sort = column.name;
        state.page = 0;
        drawBody();
      });
      cell.dataset.name = column.name;
      cell.append(button);
      titles.append(cell);
      const input = make("input", { type: "text", value: state.filters.get(column.name) || "" });
      input.setAttribute("aria-label", `Filter ${column.name}`);
      input.addEventListener("input", () => {
        const isWrong = parse(input.value, column.isText) === undefined;
        input.setAttribute("aria-invalid", isWrong);
        state.filters.set(column.name, isWrong ? "" : input.value);
        state.page = 0;
        drawBody();
      });
      inputs.append(make("td", {}, input));
    }
    head.replaceChildren(titles, inputs);
  };
  const cellOf = (column, row) => {
    const value = column.of(row);
    if (column.name === "image") {
      const cell = make("td", { className: "id", title: value });
      if (data.thumbs[row]) cell.append(make("img", { src: data.thumbs[row], alt: "", loading: "lazy" }));
      cell.append(value);
      return cell;
    }
    if (column.isText) return make("td", { textContent: value });
    const text = value === null ? "–" : Number.isInteger(value) ? whole(value) : value.toFixed(3);
    return make("td", { className: "num", textContent: text });
  };
  const drawBody = () => {
    for (const cell of head.rows[0].cells) {
      const isSorted = cell.dataset.name === state.sort;
      cell.setAttribute("aria-sort", isSorted ? (state.isDown ? "descending" : "ascending") : "none");
      cell.firstChild.textContent = cell.dataset.name + (isSorted ? (state.isDown ? " ↓" : " ↑") : "");
    }
    const rows = listed();
    const pages = Math.max(1, Math.ceil(rows.length / perPage));
    state.page = Math.min(state.page, pages - 1);
    const part = rows.slice(state.page * perPage, (state.page + 1) * perPage);
    byId("images").tBodies[0].replaceChildren(...part.map((row) => make("tr", {}, ...shown().map((column) => cellOf(column, row)))));
    byId("table-count").textContent = `${whole(rows.length)} of ${whole(count)} images`;
    byId("page-text").textContent = `Page ${whole(state.page + 1)} of ${whole(pages)}`;
    byId("previous").disabled = state.page === 0;
    byId("next").disabled = state.page >= pages - 1;
  };
  const turn = (by) => () => { state.page += by; drawBody(); };
  byId("previous").addEventListener("click", turn(-1));
  byId("next").addEventListener("click", turn(1));
  byId("clear").addEventListener("click", () => { state.filters.clear(); drawHead(); drawBody(); });
  byId("class-choice").addEventListener("change", (event) => {
    const index = event.target.value;
    const name = data.classNames[Number(index)];
    state.extra = index === "" ? [] : [
      { name: `share of ${name}`, of: ofClass(Number(index), shares) },
      { name: `score of ${name}`, of: ofClass(Number(index), scores) },
    ];
    drawHead();
    drawBody();
  });
  byId("save").addEventListener("click", () => {
    const quote = (value) => (value === null ? "" : `"${String(value).replaceAll('"', '""')}"`);
    const lines = [shown().map((column) => quote(column.name)).join(",")];
    for (const row of listed()) lines.push(shown().map((column) => quote(column.of(row))).join(","));
    const link = make("a", { download: "images.csv", href: URL.createObjectURL(new Blob([lines.join("\n")], { type: "text/csv" })) });
    link.click();
    URL.revokeObjectURL(link.href);
  });
  drawHead();
  drawBody();
})();
