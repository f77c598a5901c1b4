(() => {
  "use strict";
  const $ = (id) => document.getElementById(id);
  const grid = $("grid"), body = $("rows"), SHOWN = 25;
  if (!grid) return;

  // -- search, filter, sort

  let order = [...body.rows];
  const number = (row, cell) => {
    const value = parseFloat(row.cells[cell].textContent.replace("−", "-"));
    return isNaN(value) ? 1e9 : value;
  };
  const keys = {
    name: (row) => row.cells[0].textContent.trim(),
    left: (row) => number(row, 4),
    attained: (row) => number(row, 3),
  };
  const asked = () => $("q").value || $("owner").value || $("tag").value || $("state").value;

  function matches(row) {
    const { o, t, s } = row.dataset, tag = $("tag").value;
    return row.cells[0].textContent.toLowerCase().includes($("q").value.toLowerCase())
      && (!$("owner").value || o == $("owner").value)
      && (!tag || ` ${t} `.includes(` ${tag} `))
      && (!$("state").value || s == $("state").value);
  }

  function filter() {
    let found = 0;
    for (const row of body.rows) found += !(row.hidden = !matches(row));
    grid.classList.toggle("all", !!asked() || grid.dataset.all == "1");
    $("found").textContent = asked() ? `${found} of ${body.rows.length} tables` : "";
  }

  function sort() {
    const key = keys[$("sort").value], rows = [...order];
    if (key) rows.sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
    rows.forEach((row, place) => {
      row.classList.toggle("more", place >= SHOWN);
      body.append(row);
    });
    filter();
  }

  for (const id of ["q", "owner", "tag", "state"]) $(id).addEventListener("input", filter);
  $("sort").addEventListener("input", sort);
  $("all")?.addEventListener("click", (event) => {
    grid.dataset.all = "1";
    event.target.hidden = true;
    filter();
  });

  // -- arrows move in the grid: Tab would stop at every mark of every table

  const skipMarks = () => {
    for (const mark of body.querySelectorAll("svg a")) mark.setAttribute("tabindex", "-1");
  };
  body.addEventListener("keydown", (event) => {
    const along = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const down = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const row = event.target.closest("tr");
    let next;
    if (along) {
      const stops = [...row.querySelectorAll("a")];
      next = stops[stops.indexOf(event.target) + along];
    } else if (down) {
      const rows = [...body.rows].filter((each) => each.offsetParent);
      next = rows[rows.indexOf(row) + down]?.querySelector("a");
    }
    if (next) {
      event.preventDefault();
      next.focus();
    }
  });
  skipMarks();

  // -- a table's page lies over the rest, which is out of reach meanwhile

  let from = null, wasOpen = false;
  const id = () => decodeURIComponent(location.hash.slice(1));
  const page = () => {
    const target = id() && ($(id()) || $(id().split("-")[0]));
    return target && target.closest(".page");
  };

  function show() {
    const open = page();
    document.body.style.overflow = open ? "hidden" : "";
    const behind = document.querySelectorAll("header,footer,main>section:not(.page),#sections");
    for (const part of behind) part.inert = !!open;
    for (const other of document.querySelectorAll(".page[data-open]"))
      if (other != open) delete other.dataset.open;
    if (open) {
      open.setAttribute("role", "dialog");
      open.setAttribute("aria-modal", "true");
      if (window.htmx && !open.dataset.open) {
        open.dataset.open = "1";
        htmx.trigger(open, "open");
      }
      open.focus({ preventScroll: true });
    } else if (from) {
      from.focus({ preventScroll: true });
      from = null;
    }
  }

  function close() {
    const y = scrollY;
    location.hash = "#tables";
    scrollTo(0, y);
  }

  addEventListener("hashchange", show);
  addEventListener("load", () => page() && show());
  addEventListener("click", (event) => {
    wasOpen = !!page();
    if (!wasOpen) from = event.target.closest("a[href^='#t']") || from;
  }, true);
  body.addEventListener("click", (event) => {
    const bar = event.target.closest("svg.bar");
    if (bar && !event.target.closest("a")) bar.closest("tr").querySelector("a").click();
  });
  addEventListener("click", (event) => {
    if (!wasOpen || (event.target.closest(".page") && !event.target.closest(".close"))) return;
    event.preventDefault();
    close();
  });
  addEventListener("keydown", (event) => {
    if (event.key == "Escape" && page()) close();
  });

  // -- the dashboard: what htmx has renewed

  addEventListener("htmx:oobAfterSwap", (event) => {
    if (event.detail.target.id != "rows") return;
    order = [...body.rows];
    skipMarks();
    sort();
    const open = page();
    if (open) htmx.trigger(open, "open");
  });
  addEventListener("htmx:afterSettle", (event) => {
    // The day asked for has only now arrived: go there once.
    const day = event.target.classList.contains("page") && id().includes("-");
    if (!day || event.target.dataset.day) return;
    event.target.dataset.day = "1";
    const hash = location.hash;
    history.replaceState(null, "", "#");
    location.hash = hash;
  });
})();
