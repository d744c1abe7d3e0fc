// Draws the figures of answers with Plotly, in the colours of the page. A figure is fetched when it comes into view.
const LEFT_OUT = ["select2d", "lasso2d", "autoScale2d", "toImage"];

function colours() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(["text", "soft", "line", "card", "hover"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

// What the page shows above the figure need not be its title; a picture that is saved keeps both title and white paper.
function dressed(figure) {
  const { text, line, card, hover } = colours();
  const layout = structuredClone(figure.layout);
  const data = structuredClone(figure.data);
  delete layout.title;
  delete layout.width;
  layout.margin = { ...layout.margin, t: layout.annotations?.length ? 40 : 16 };
  layout.height ??= 400;
  layout.autosize = true;
  layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
  layout.font = { ...layout.font, color: text };
  for (const name of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) {
    Object.assign(layout[name], { gridcolor: line, linecolor: line, zerolinecolor: line });
  }
  for (const trace of data.filter((item) => item.type === "table")) {
    for (const [part, fill] of [["header", hover], ["cells", card]]) {
      trace[part] = { ...trace[part], fill: { color: fill }, line: { color: line }, font: { color: text } };
    }
  }
  return { data, layout };
}

async function draw(place) {
  try {
    if (!window.Plotly) throw new Error("Plotly's script could not be loaded");
    if (!place.figure) {
      const answer = await fetch(place.dataset.figure);
      if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
      place.figure = await answer.json();
    }
    const { data, layout } = dressed(place.figure);
    place.classList.toggle("square", Boolean(layout.yaxis?.scaleanchor) && !layout.yaxis2);
    place.style.height = `${layout.height + 18}px`;
    await Plotly.react(place, data, layout, { displaylogo: false, responsive: true, modeBarButtonsToRemove: LEFT_OUT });
    place.classList.add("drawn");
  } catch (error) {
    place.textContent = `The figure cannot be drawn: ${error.message}. The table below has its numbers.`;
    place.classList.add("problem");
  }
}

const places = document.querySelectorAll("[data-figure]");
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    draw(target);
  }
}, { rootMargin: "400px" });
places.forEach((place) => seen.observe(place));

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  document.querySelectorAll(".drawn").forEach(draw);
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-picture]");
  if (!button) return;
  const place = document.getElementById(button.dataset.picture);
  if (!place.figure) await draw(place);
  if (!place.figure) return;
  const { data, layout } = structuredClone(place.figure);
  const size = { width: layout.width ?? 900, height: layout.height ?? 500, scale: 2 };
  await Plotly.downloadImage({ data, layout }, { format: "png", filename: button.dataset.name, ...size });
});
