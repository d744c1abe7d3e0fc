// The prediction matrix: one picture of the bins that the server sends, with zoom, hover and keys.
window.dashAgGridFunctions = window.dashAgGridFunctions || {};
window.dashAgGridFunctions.fourDigits = (value) => (typeof value === "number" ? value.toFixed(4) : "–");
window.dash_clientside = window.dash_clientside || {};
(() => {
  const HEIGHT = 560;
  const LEFT = 74;
  const TRUTH = 26;
  const GAP = 8;
  const LEGEND = 96;
  const FEW = 11;
  const DRAG = 5;
  const GREY = [[226, 230, 235], [51, 59, 70]];
  const whole = (value) => Math.round(value).toLocaleString("en-US");
  const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const mixed = (from, to, share) => from.map((value, at) => Math.round(value + (to[at] - value) * share));
  const bytes = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const say = (id, data) => window.dash_clientside.set_props(id, { data });

  // Level 0 to 200 -> colour, from wrong over the middle to right.
  const palette = (stops) => Array.from({ length: 201 }, (_, level) =>
    level <= 100 ? mixed(stops[0], stops[1], level / 100) : mixed(stops[1], stops[2], (level - 100) / 100));

  const picture = (cells, across, down, colours) => {
    const made = document.createElement("canvas");
    made.width = across;
    made.height = down;
    const context = made.getContext("2d");
    const image = context.createImageData(across, down);
    const packed = new Uint32Array(colours.length);
    const parts = new Uint8Array(packed.buffer);
    colours.forEach((colour, level) => parts.set([...colour, 255], level * 4));
    const pixels = new Uint32Array(image.data.buffer);
    for (let at = 0; at < cells.length; at += 1) pixels[at] = packed[cells[at]];
    context.putImageData(image, 0, 0);
    return made;
  };

  class PredictionMatrix {
    constructor(place) {
      this.place = place;
      this.canvas = document.createElement("canvas");
      this.tip = document.createElement("div");
      this.tip.className = "tip";
      this.tip.hidden = true;
      place.append(this.canvas, this.tip);
      this.canvas.addEventListener("pointerdown", (event) => this.press(event));
      this.canvas.addEventListener("pointermove", (event) => this.move(event));
      this.canvas.addEventListener("pointerup", (event) => this.release(event));
      this.canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
      this.canvas.addEventListener("dblclick", () => this.ask(0, this.view.rows));
      this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
      place.addEventListener("keydown", (event) => this.key(event));
      new ResizeObserver(() => this.draw()).observe(place);
      window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    }

    show(view) {
      this.view = view;
      this.cells = bytes(view.cells);
      this.truth = bytes(view.truth);
      const greys = Array.from({ length: 201 }, (_, level) => mixed(...GREY, level / 200));
      this.image = picture(this.cells, view.names.length, view.bins, palette(view.palette.map(rgb)));
      this.greyImage = picture(this.truth, 1, view.bins, greys);
      this.draw();
    }

    get top() {
      return this.view.names.length < FEW ? 26 : 112;
    }

    get box() {
      const width = this.place.clientWidth - LEFT - TRUTH - GAP - LEGEND;
      return { x: LEFT + TRUTH + GAP, y: this.top, width: Math.max(width, 60), height: HEIGHT - this.top - 8 };
    }

    draw() {
      if (!this.view || !this.place.clientWidth) return;
      const { view, box } = this;
      const scale = window.devicePixelRatio || 1;
      this.canvas.width = Math.round(this.place.clientWidth * scale);
      this.canvas.height = Math.round(HEIGHT * scale);
      const pen = this.canvas.getContext("2d");
      pen.scale(scale, scale);
      pen.imageSmoothingEnabled = false;
      const from = (view.first - view.start) / view.step;
      const size = (view.stop - view.first) / view.step;
      pen.drawImage(this.image, 0, from, view.names.length, size, box.x, box.y, box.width, box.height);
      pen.drawImage(this.greyImage, 0, from, 1, size, LEFT, box.y, TRUTH, box.height);
      const style = getComputedStyle(this.place);
      pen.fillStyle = style.getPropertyValue("--soft");
      pen.strokeStyle = style.getPropertyValue("--accent");
      pen.font = `12px ${style.fontFamily}`;
      this.names(pen, box);
      this.ticks(pen, box);
      this.legend(pen, box);
      if (this.pressed && this.pressed.to !== undefined) {
        pen.lineWidth = 2;
        pen.strokeRect(box.x, Math.min(this.pressed.y, this.pressed.to), box.width, Math.abs(this.pressed.to - this.pressed.y));
      }
    }

    names(pen, box) {
      const names = this.view.names;
      const each = box.width / names.length;
      const turned = names.length >= FEW;
      const every = turned ? Math.ceil(14 / each) : 1;
      const clipped = (text, room) => {
        let shown = text;
        while (shown.length > 1 && pen.measureText(shown).width > room) shown = `${shown.slice(0, -2)}…`;
        return shown;
      };
      pen.textBaseline = "middle";
      names.forEach((name, at) => {
        if (at % every) return;
        pen.save();
        pen.translate(box.x + (at + 0.5) * each, box.y - 10);
        if (turned) pen.rotate(-Math.PI / 3);
        pen.textAlign = turned ? "left" : "center";
        pen.fillText(clipped(name, turned ? 108 : each - 6), 0, 0);
        pen.restore();
      });
      pen.textAlign = "center";
      pen.fillText("truth", LEFT + TRUTH / 2, box.y - 10);
    }

    ticks(pen, box) {
      const { first, stop } = this.view;
      const raw = (stop - first) / 8;
      const power = 10 ** Math.floor(Math.log10(Math.max(raw, 1)));
      const step = Math.max([1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw), 1);
      pen.textAlign = "right";
      for (let row = Math.ceil(first / step) * step; row < stop; row += step) {
        const y = box.y + ((row - first) / (stop - first)) * box.height;
        pen.fillRect(LEFT - 5, y, 4, 1);
        pen.fillText(whole(row), LEFT - 9, Math.min(y + 1, box.y + box.height - 6));
      }
    }

    legend(pen, box) {
      const colours = palette(this.view.palette.map(rgb));
      const x = box.x + box.width + 16;
      for (let y = 0; y < box.height; y += 1) {
        const level = Math.round(200 * (1 - y / box.height));
        const ink = pen.fillStyle;
        pen.fillStyle = `rgb(${colours[level].join(",")})`;
        pen.fillRect(x, box.y + y, 12, 1.5);
        pen.fillStyle = ink;
      }
      pen.textAlign = "left";
      [["1 right", 0], ["0.75", 0.25], ["0.5", 0.5], ["0.25", 0.75], ["0 wrong", 1]].forEach(([text, share]) => {
        pen.fillText(text, x + 18, Math.min(Math.max(box.y + share * box.height, box.y + 6), box.y + box.height - 6));
      });
    }

    // The row (of the order) and the model (-1 for the truth) below the pointer; null outside.
    at(event) {
      const place = this.canvas.getBoundingClientRect();
      const { view, box } = this;
      const x = event.clientX - place.left;
      const y = event.clientY - place.top;
      if (y < box.y || y >= box.y + box.height || x < LEFT || x >= box.x + box.width) return null;
      const row = Math.floor(view.first + ((y - box.y) / box.height) * (view.stop - view.first));
      const model = x < box.x ? -1 : Math.min(Math.floor(((x - box.x) / box.width) * view.names.length), view.names.length - 1);
      return { row, model, x, y, bin: Math.min(Math.floor((row - view.start) / view.step), view.bins - 1) };
    }

    press(event) {
      const found = this.at(event);
      if (!found || event.button) return;
      this.pressed = { y: found.y, row: found.row };
      this.canvas.setPointerCapture(event.pointerId);
    }

    move(event) {
      const found = this.at(event);
      if (this.pressed) {
        const { box } = this;
        const y = event.clientY - this.canvas.getBoundingClientRect().top;
        const end = Math.min(Math.max(y, box.y), box.y + box.height - 1);
        if (Math.abs(end - this.pressed.y) > DRAG) {
          this.pressed.to = end;
          this.draw();
        }
      }
      this.tip.hidden = !found || Boolean(this.pressed && this.pressed.to !== undefined);
      if (!found) return;
      const { view } = this;
      const low = view.start + found.bin * view.step;
      const high = Math.min(low + view.step, view.rows) - 1;
      const rows = low === high ? `row ${whole(low)}` : `rows ${whole(low)} to ${whole(high)}`;
      const share = found.model < 0 ? this.truth[found.bin] / 200 : this.cells[found.bin * view.names.length + found.model] / 200;
      const name = found.model < 0 ? "truth" : view.names[found.model];
      const what = found.model < 0 ? view.truthSays : view.cellSays;
      this.tip.textContent = `${name}\n${what}: ${share.toFixed(3)}\n${rows} of the order`;
      this.tip.style.left = `${Math.min(found.x + 14, this.place.clientWidth - 230)}px`;
      this.tip.style.top = `${found.y + 14}px`;
    }

    release(event) {
      const { pressed } = this;
      this.pressed = undefined;
      if (!pressed) return;
      if (pressed.to === undefined) {
        const found = this.at(event);
        if (found) say("predictions-clicked", { row: found.row, model: found.model, at: Date.now() });
        return;
      }
      const { view, box } = this;
      const rowOf = (y) => view.first + ((y - box.y) / box.height) * (view.stop - view.first);
      const ends = [rowOf(pressed.y), rowOf(pressed.to)].sort((one, other) => one - other);
      this.ask(Math.floor(ends[0]), Math.ceil(ends[1]));
      this.draw();
    }

    wheel(event) {
      const found = this.at(event);
      if (!found || !(event.ctrlKey || event.shiftKey)) return;
      event.preventDefault();
      const { first, stop } = this.view;
      const factor = (event.deltaY || event.deltaX) > 0 ? 1.5 : 1 / 1.5;
      this.ask(Math.floor(found.row - (found.row - first) * factor), Math.ceil(found.row + (stop - found.row) * factor));
    }

    key(event) {
      const { first, stop, rows } = this.view;
      const half = Math.max(Math.floor((stop - first) / 2), 1);
      const middle = Math.floor((first + stop) / 2);
      const quarter = Math.max(Math.floor((stop - first) / 4), 2);
      const spans = {
        ArrowUp: [first - Math.min(half, first), stop - Math.min(half, first)],
        ArrowDown: [first + Math.min(half, rows - stop), stop + Math.min(half, rows - stop)],
        "+": [middle - quarter, middle + quarter],
        "-": [middle - (stop - first), middle + (stop - first)],
        Home: [0, rows],
      };
      if (!spans[event.key]) return;
      event.preventDefault();
      this.ask(...spans[event.key]);
    }

    ask(first, stop) {
      say("predictions-gesture", { first: Math.max(first, 0), stop: Math.min(stop, this.view.rows), at: Date.now() });
    }
  }

  const shown = new WeakMap();
  window.dash_clientside.predictions = {
    draw: (view) => {
      const place = document.getElementById("predictions-matrix");
      if (!view || !place) return window.dash_clientside.no_update;
      if (!shown.has(place)) shown.set(place, new PredictionMatrix(place));
      shown.get(place).show(view);
      return view.drawn;
    },
  };
})();
