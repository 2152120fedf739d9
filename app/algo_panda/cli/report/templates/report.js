"use strict";
(() => {
  const charts = JSON.parse(document.getElementById("report-data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 700px)");
  const coarse = matchMedia("(pointer: coarse)");

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // By the names that traces have in `meta`.
  const COLOURS = {
    equity: "--one", drawdown: "--two", gross: "--three", net: "--one", price: "--three",
    "long-entry": "--one", "long-exit": "--one", "short-entry": "--two", "short-exit": "--two",
    gain: "--one", loss: "--two",
  };

  const painted = (trace) => {
    const own = colour(COLOURS[trace.meta]);
    const copy = { ...trace };
    if (trace.mode === "lines") copy.line = { width: 1.5, ...trace.line, color: own };
    else copy.marker = { ...trace.marker, color: own };
    if (trace.fill) copy.fillcolor = own + "33";
    return copy;
  };

  const axis = (given) => ({
    ...given,
    automargin: true,
    gridcolor: colour("--line"), linecolor: colour("--line"), zerolinecolor: colour("--faint"),
    title: { ...given.title, standoff: 8, font: { size: 12 } },
    ...(given.rangeslider && {
      rangeslider: { ...given.rangeslider, bgcolor: colour("--card"), bordercolor: colour("--line"), borderwidth: 1 },
    }),
  });

  const layout = (given) => {
    const axes = Object.entries(given).filter(([name]) => /^[xy]axis/.test(name));
    return {
      ...given,
      ...Object.fromEntries(axes.map(([name, one]) => [name, axis(one)])),
      autosize: true,
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, color: colour("--text"), size: narrow.matches ? 11 : 12 },
      hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--line"), font: { color: colour("--text") }, align: "left" },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
      margin: narrow.matches ? { l: 44, r: 8, t: 34, b: 36 } : { l: 64, r: 16, t: 34, b: 44 },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--faint"), activecolor: colour("--one") },
      // Where a finger scrolls the page, it does not zoom by dragging as well.
      dragmode: coarse.matches ? false : "zoom",
    };
  };

  const config = () => ({
    responsive: true,
    displaylogo: false,
    displayModeBar: coarse.matches || narrow.matches ? false : "hover",
    // Named one by one: those by default can send a chart to its maker's site.
    modeBarButtons: [["toImage"], ["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
  });

  const draw = (id, chart) => {
    const box = document.getElementById(`chart-${id}`);
    if (typeof chart === "string") {
      box.className = "chart none";
      box.removeAttribute("role");
      box.textContent = `none: ${chart}`;
      return;
    }
    Plotly.react(box, chart.data.map(painted), layout(chart.layout), config());
  };

  const select = document.getElementById("instrument");
  for (const [place, { token }] of charts.prices.entries()) select.add(new Option(String(token), String(place)));

  const drawPrice = () => {
    const chosen = charts.prices[Number(select.value)];
    if (!chosen) return;
    document.getElementById("price-note").textContent = chosen.note;
    draw("price", chosen.chart);
  };

  const drawAll = () => {
    for (const id of ["equity", "exposure", "daily", "trade"]) draw(id, charts[id]);
    drawPrice();
  };

  select.addEventListener("change", drawPrice);
  dark.addEventListener("change", drawAll);
  narrow.addEventListener("change", drawAll);
  drawAll();
})();
