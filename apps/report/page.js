'use strict';
// The page of a run, or of several beside each other. Names and texts come from foreign data: they
// become text nodes, never markup.

const $ = (id) => document.getElementById(id);
const data = JSON.parse($('data').textContent);
const svgNames = new Set(['svg', 'g', 'path', 'line', 'rect', 'circle', 'text', 'clipPath']);

function make(tag, attributes = {}, ...children) {
  const element = svgNames.has(tag)
    ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// ---- Numbers as people read them.

const grouped = (value) => Math.round(value).toLocaleString('en-US');
const share = (value) => `${(100 * value).toFixed(value > 0.0995 ? 0 : 1)} %`;
function short(value, digits = 4) {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size >= 10000) return grouped(value);
  return size !== 0 && size < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(digits)));
}
function duration(seconds) {
  if (!(seconds >= 0)) return '–';
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${Math.round(seconds % 60)} s`;
}

// ---- The files of a run.

const metricNames = {
  val_top1: ['Top-1 accuracy', ' %'], val_accuracy: ['Accuracy', ' %'], val_f1: ['F1', ' %'],
  val_perplexity: ['Perplexity', ''],
};

function readRun(raw) {
  const parsed = (text) => { try { return JSON.parse(text); } catch { return {}; } };
  const run = { ...raw, name: raw.folder.replace(/\/+$/, '').split('/').pop() };
  run.summary = parsed(raw['summary.json'].join('\n'));
  run.environment = parsed(raw['environment.json'].join('\n'));
  run.options = new Map(raw['config.toml'].filter((line) => /^[^#=]+=/.test(line))
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
  run.steps = raw['steps.jsonl'].map(parsed).filter((step) => step.step > 0);
  const [header = '', ...rows] = raw['metrics.csv'];
  const columns = header.split(',');
  run.epochs = rows.map((row) => Object.fromEntries(row.split(',').map((cell, i) =>
    [columns[i], cell === '' ? NaN : Number(cell)]))).filter((row) => row.epoch > 0);
  run.metric = columns[4] || 'val_top1';
  [run.metricName, run.metricUnit] = metricNames[run.metric] || [run.metric, ''];
  run.log = raw['log.txt'];
  run.command = run.options.has('task') ? 'gmlp-language finetune'
    : run.options.has('objective') ? 'gmlp-language pretrain' : 'gmlp-vision train';
  run.samples = run.command === 'gmlp-vision train' ? 'images'
    : run.options.has('task') ? 'examples' : 'windows';
  return run;
}
const runs = data.runs.map(readRun);
const only = runs.length === 1 ? runs[0] : null;

// ---- Summary.

/// [label, value, unit or error, small print] of what a run came to; no value: unknown.
function facts(run) {
  const { summary, environment } = run;
  const best = summary.best || summary.final || {};
  const last = summary.final || {};
  const error = best[`${run.metric}_standard_error`] ?? last[`${run.metric}_standard_error`];
  const lossError = last.val_loss_standard_error;
  const speeds = run.epochs.map((epoch) => epoch.samples_per_s).filter(Number.isFinite);
  const decimals = run.metricUnit ? 2 : 3;
  const memory = summary.peak_memory_bytes || {};
  return [
    [`Best ${run.metricName.replace(/^[AP]/, (c) => c.toLowerCase())}`, best[run.metric]?.toFixed(decimals),
      `${error ? ` ± ${error.toFixed(decimals)}` : ''}${run.metricUnit}`,
      best.epoch && `epoch ${best.epoch}${last[run.metric] !== undefined
        ? `, the last ${last[run.metric].toFixed(decimals)}${run.metricUnit}` : ''}`],
    ['Validation loss', best.val_loss?.toFixed(4), lossError ? ` ± ${lossError.toFixed(4)}` : '',
      best.val_bits_per_byte ? `${best.val_bits_per_byte.toFixed(3)} bits per byte` : 'nats, without smoothing'],
    ['Parameters', summary.parameters && grouped(summary.parameters), '', null],
    ['Time', summary.wall_seconds && duration(summary.wall_seconds), '',
      summary.steps && `${grouped(summary.steps)} of ${grouped(summary.total_steps)} steps`],
    ['Share of peak', summary.share_of_machine_peak ? share(summary.share_of_machine_peak) : undefined, '',
      summary.machine_peak_gflops && `of ${grouped(summary.machine_peak_gflops)} GFLOP/s, ` +
        `${environment.threads} thread${environment.threads === 1 ? '' : 's'}, ${environment.isa}`],
    ['Throughput', speeds.length ? short(speeds[speeds.length - 1], 3) : undefined, ` ${run.samples}/s`, 'in the last epoch'],
    ['Memory', memory.process && short(memory.process / 2 ** 20, 3), ' MB',
      memory.activations && `${short(memory.activations / 2 ** 20, 3)} MB of activations`],
  ].filter((fact) => fact[1]);
}

function showSummary() {
  const titles = new Set(runs.map((run) => `${run.summary.model || run.name} on ${run.summary.data || 'its data'}`));
  $('title').append(only ? [...titles][0] : `${runs.length} runs`);
  document.title = `${$('title').textContent} · gmlp report`;
  $('path').append(only ? only.folder : [...titles].join(', '));
  $('footer').append(`Made by gmlp ${data.version}.`);
  if (only) showTiles(only); else showComparison();
}

function showTiles(run) {
  const notes = [run.note && `Without validation data: ${run.note}`,
    !run.summary.steps && 'The run has no summary.json: it has not ended yet.'].filter(Boolean);
  $('note').hidden = notes.length === 0;
  $('note').append(notes.join(' '));
  $('tiles').append(...facts(run).map(([label, value, unit, small]) => make('dl', { class: 'tile', style: 'margin:0' },
    make('dt', {}, label), make('dd', {}, value, make('span', {}, unit), small ? make('small', {}, small) : null))));
  const options = [...run.options].filter(([, value]) => value !== '""' && value !== '[]')
    .map(([name, value]) => `${name} = ${value}`).join('\n');
  const banner = run.log.filter((line) => /^(model|data|machine|recipe|note) /.test(line)).slice(0, 8);
  const fold = (title, text) => make('details', {}, make('summary', {}, title), make('pre', { tabindex: 0 }, text));
  $('details').append(
    fold('Model, data and machine', [...new Set(banner), ...Object.entries(run.environment)
      .map(([name, value]) => `${name.padEnd(8)} ${value}`)].join('\n')),
    fold('Command and options', `${run.command} --config ${run.folder}/config.toml\n\n${options}`));
}

function showComparison() {
  const rows = [['model', ...runs.map((run) => run.summary.model)], ['data', ...runs.map((run) => run.summary.data)]];
  const all = runs.map((run) => new Map(facts(run).map(([label, value, unit]) => [label, value + unit])));
  for (const label of new Set(all.flatMap((map) => [...map.keys()]))) rows.push([label, ...all.map((map) => map.get(label))]);
  const names = [...new Set(runs.flatMap((run) => [...run.options.keys()]))];
  const options = names.map((name) => [name, ...runs.map((run) => run.options.get(name))]);
  const differs = (row) => new Set(row.slice(1)).size > 1;
  const table = (body) => make('table', {},
    make('thead', {}, make('tr', {}, make('th', {}, ''), ...runs.map((run, i) =>
      make('th', { scope: 'col' }, make('i', { class: 'swatch', style: `background:${color(i)}` }), ` ${run.name}`)))),
    make('tbody', {}, ...body.map(([row, marked]) => make('tr', { class: marked ? 'differs' : '' },
      make('th', { scope: 'row' }, row[0]), ...row.slice(1).map((cell) => make('td', {}, cell ?? '–'))))));
  $('compare').append(table([...rows.map((row) => [row, false]), ...options.filter(differs).map((row) => [row, true])]));
  $('details').append(make('details', {}, make('summary', {}, 'All options'), make('div', { class: 'scroll', tabindex: 0 },
    table(options.map((row) => [row, differs(row)])))));
}

// ---- Curves. All charts share the horizontal axis, its zoom and the readout's place.

const color = (i) => `var(--s${i % 6})`;
const axis = { name: 'step', range: null, at: NaN, hidden: new Set() };
const charts = [];

function smoothed(points) {
  // A mean over more and more steps at first, then an exponential one, as the console's.
  let mean = 0;
  return points.map(([x, y], i) => {
    mean += (y - mean) * Math.max(1 / (i + 1), 0.05);
    return [x, mean];
  });
}

/// The lines of one chart: {key, name, color, points, raw, dots}.
function linesOf(kind) {
  return runs.flatMap((run, i) => {
    const rows = axis.name === 'step' ? run.steps : run.epochs;
    const points = (source, x, y) => source.map((row) => [row[x], row[y]]).filter(([, value]) => Number.isFinite(value));
    const line = (part, index, list, more = {}) => ({
      key: only ? part : run.name, name: only ? part : `${run.name}${kind === 'loss' ? `, ${part}` : ''}`,
      color: color(only ? index : i), points: list, ...more });
    if (kind === 'lr') return [line('learning rate', 0, points(rows, axis.name, 'lr'))];
    if (kind === 'speed') return [line('throughput', 0, points(rows, axis.name, 'samples_per_s'))];
    const val = (name) => points(run.epochs, axis.name, name);
    if (kind === 'metric') return [line('validation', 1, val(run.metric), { dots: true })];
    const validation = line('validation', 1, val('val_loss'), { dots: true });
    if (axis.name === 'epoch') return [line('train, mean of the epoch', 0, val('train_loss'), { dots: true }), validation];
    const raw = points(rows, 'step', 'loss');
    return [...(only ? [line('train, single steps', 0, raw, { raw: true })] : []),
      line('train, smoothed', 0, smoothed(raw)), validation];
  }).filter((line) => line.points.length > 0);
}

function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const list = [];
  for (let i = Math.ceil(low / step); i * step <= high; ++i) list.push(i * step);
  return list;
}

function bounds(values, margin) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) { low = Math.min(low, value); high = Math.max(high, value); }
  if (!(low <= high)) return [0, 1];
  const space = (high - low || Math.abs(high) || 1) * margin;
  return [low - space, high + space];
}

const nearest = (points, x) => points.reduce((best, point) => Math.abs(point[0] - x) < Math.abs(best[0] - x) ? point : best);

class Chart {
  constructor(kind, title, unit) {
    Object.assign(this, { kind, unit });
    this.svg = make('svg', { tabindex: 0, role: 'img', 'aria-label': `${title}; arrow keys move the readout` });
    this.values = make('div', { class: 'values', 'aria-live': 'polite' });
    $('charts').append(make('div', { class: 'chart' }, make('h3', {}, title), this.svg, this.values));
    const x = (event) => this.low + (event.offsetX - this.left) / this.width * (this.high - this.low);
    this.svg.addEventListener('pointerdown', (event) => { this.from = x(event); this.svg.setPointerCapture(event.pointerId); });
    this.svg.addEventListener('pointermove', (event) => { axis.at = x(event); drawCharts(); });
    this.svg.addEventListener('pointercancel', () => { this.from = undefined; });
    this.svg.addEventListener('pointerup', (event) => {
      const range = [this.from, x(event)].sort((a, b) => a - b);
      this.from = undefined;
      if ((range[1] - range[0]) / (this.high - this.low) > 0.02) zoomTo(range); else drawCharts();
    });
    this.svg.addEventListener('dblclick', () => zoomTo(null));
    this.svg.addEventListener('wheel', (event) => {
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8, x(event));
    }, { passive: false });
    this.svg.addEventListener('keydown', (event) => {
      const middle = Number.isFinite(axis.at) ? axis.at : (this.low + this.high) / 2;
      const stride = (this.high - this.low) / 40;
      const move = { ArrowLeft: -stride, ArrowRight: stride }[event.key];
      if (move) { axis.at = Math.min(this.high, Math.max(this.low, middle + move)); drawCharts(); }
      else if (event.key === '+' || event.key === '=') this.zoom(0.8, middle);
      else if (event.key === '-') this.zoom(1.25, middle);
      else if (event.key === 'Escape') zoomTo(null);
      else return;
      event.preventDefault();
    });
  }

  zoom(factor, x) {
    const [low, high] = this.whole;
    const range = [Math.max(low, x - (x - this.low) * factor), Math.min(high, x + (this.high - x) * factor)];
    zoomTo(range[1] - range[0] >= (high - low) * 0.999 ? null : range);
  }

  draw() {
    const lines = linesOf(this.kind).filter((line) => !axis.hidden.has(line.key));
    const [width, height] = [this.svg.clientWidth || 400, this.svg.clientHeight || 240];
    this.whole = bounds(runs.flatMap((run) => [...run.steps, ...run.epochs].map((row) => row[axis.name])), 0);
    if (axis.name === 'step') this.whole[0] = 0;
    if (this.whole[0] === this.whole[1]) this.whole = [this.whole[0] - 1, this.whole[1] + 1];
    [this.low, this.high] = axis.range || this.whole;
    const inside = ([x]) => x >= this.low && x <= this.high;
    const [bottom, top] = bounds(lines.filter((line) => !line.raw).flatMap((line) => line.points.filter(inside).map(([, y]) => y)), 0.06);
    const labels = ticks(bottom, top, 4);
    this.left = 12 + 6.6 * Math.max(...labels.map((y) => short(y, 3).length), 1);
    this.width = width - this.left - 12;
    const px = (x) => this.left + (x - this.low) / (this.high - this.low) * this.width;
    const py = (y) => 8 + (top - y) / (top - bottom) * (height - 34);
    const place = (x, y) => `${px(x).toFixed(1)} ${py(y).toFixed(1)}`;
    const clip = `clip-${this.kind}`;
    this.svg.replaceChildren(
      make('clipPath', { id: clip }, make('rect', { x: this.left, y: 2, width: Math.max(this.width, 1), height: height - 26 })),
      ...labels.flatMap((y) => [
        make('line', { class: 'grid', x1: this.left, x2: width - 12, y1: py(y), y2: py(y) }),
        make('text', { x: this.left - 6, y: py(y) + 4, 'text-anchor': 'end' }, short(y, 3))]),
      ...ticks(this.low, this.high, width > 360 ? 6 : 4).filter((x) => axis.name === 'step' || Number.isInteger(x))
        .map((x) => make('text', { x: px(x), y: height - 8, 'text-anchor': 'middle' }, short(x, 6))),
      make('g', { 'clip-path': `url(#${clip})` }, ...lines.flatMap((line) => [
        make('path', { class: line.raw ? 'raw' : '', style: `stroke:${line.color}`, 'stroke-dasharray': line.dots && !only && this.kind === 'loss' ? '6 4' : false,
          d: line.points.map(([x, y], i) => (i ? 'L' : 'M') + place(x, y)).join('') }),
        ...(line.dots && line.points.length < 80
          ? line.points.map(([x, y]) => make('circle', { cx: px(x), cy: py(y), r: 3, style: `fill:${line.color}` })) : [])])));
    const shown = axis.at >= this.low && axis.at <= this.high;
    if (shown) this.svg.append(make('line', { class: 'cursor', x1: px(axis.at), x2: px(axis.at), y1: 4, y2: height - 24 }));
    if (shown && this.from !== undefined) {
      const [a, b] = [px(this.from), px(axis.at)].sort((m, n) => m - n);
      this.svg.append(make('rect', { class: 'band', x: a, width: b - a, y: 4, height: height - 28 }));
    }
    const at = shown ? axis.at : this.high;
    const first = lines.find((line) => line.points.length > 1) || lines[0];
    this.values.replaceChildren(...(first ? [make('span', {}, `${axis.name} ${short(nearest(first.points, at)[0], 7)}`)] : []),
      ...lines.filter((line) => !line.raw).map((line) => make('span', {},
        make('i', { class: 'swatch', style: `background:${line.color}` }), `${line.name} ${short(nearest(line.points, at)[1])}${this.unit}`)));
  }
}

function drawCharts() {
  for (const chart of charts) chart.draw();
  $('reset').hidden = axis.range === null;
}
function zoomTo(range) { axis.range = range; drawCharts(); }

function choices(fieldset, name, list, chosen, choose) {
  list.forEach((content, i) => fieldset.append(
    make('input', { type: 'radio', name, id: `${name}-${i}`, checked: i === chosen, onchange: () => choose(i) }),
    make('label', { for: `${name}-${i}` }, content)));
}

function drawLegend() {
  const entries = new Map(['loss', 'metric'].flatMap(linesOf).map((line) => [line.key, line]));
  $('legend').replaceChildren(...[...entries].map(([key, line]) => make('button', {
    type: 'button', 'aria-pressed': String(!axis.hidden.has(key)), onclick: () => {
      if (!axis.hidden.delete(key)) axis.hidden.add(key);
      drawLegend();
      drawCharts();
    } }, make('i', { class: 'swatch', style: `background:${line.color};opacity:${line.raw ? 0.4 : 1}` }), key)));
}

function showCurves() {
  if (!runs.some((run) => run.steps.length + run.epochs.length > 0)) return;
  $('curves').hidden = false;
  const { metricName, metricUnit, samples } = runs[0];
  const validated = runs.some((run) => run.epochs.some((row) => Number.isFinite(row[run.metric])));
  charts.push(new Chart('loss', 'Loss (cross-entropy)', ''));
  if (validated) charts.push(new Chart('metric', `${metricName}, validation`, metricUnit));
  charts.push(new Chart('lr', 'Learning rate', ''), new Chart('speed', `Throughput (${samples} per second)`, ''));
  choices($('axis'), 'axis', ['Step', 'Epoch'], 0, (i) => {
    Object.assign(axis, { name: ['step', 'epoch'][i], range: null, at: NaN });
    drawLegend();
    drawCharts();
  });
  $('reset').addEventListener('click', () => zoomTo(null));
  drawLegend();
  new ResizeObserver(drawCharts).observe($('charts'));
}

// ---- Maps: matrices as pictures whose cells can be pointed at.

const blueWhiteRed = (t) => (t < 0 ? [33, 102, 172] : [178, 24, 43]).map((end) => 255 + Math.min(Math.abs(t), 1) * (end - 255));
const whiteViolet = (t) => [74, 20, 134].map((end) => 255 + Math.min(Math.max(t, 0), 1) * (end - 255));

/// {rows, columns, size, label, paint(y, x) -> [r, g, b, alpha], over(context, cell), point(y, x)}.
class Heat {
  constructor(options) {
    Object.assign(this, options, { y: 0, x: 0 });
    this.cell = Math.max(1, Math.floor(this.size / Math.max(this.rows, this.columns)));
    this.canvas = make('canvas', { width: this.columns * this.cell, height: this.rows * this.cell });
    this.pixels = make('canvas', { width: this.columns, height: this.rows });
    if (!this.point) return;
    for (const [name, value] of [['tabindex', 0], ['role', 'application'], ['aria-label', `${this.label}; arrow keys move`]]) this.canvas.setAttribute(name, value);
    const from = (event) => this.move(event.offsetY / this.canvas.clientHeight * this.rows, event.offsetX / this.canvas.clientWidth * this.columns);
    this.canvas.addEventListener('pointermove', from);
    this.canvas.addEventListener('pointerdown', from);
    this.canvas.addEventListener('keydown', (event) => {
      const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!move) return;
      event.preventDefault();
      this.move(this.y + move[0], this.x + move[1]);
    });
  }
  move(y, x) {
    const within = (value, count) => Math.min(count - 1, Math.max(0, Math.floor(value)));
    [this.y, this.x] = [within(y, this.rows), within(x, this.columns)];
    this.point(this.y, this.x);
  }
  repaint() {
    const image = new ImageData(this.columns, this.rows);
    for (let i = 0; i < this.rows * this.columns; ++i) {
      const [r, g, b, alpha = 255] = this.paint(Math.floor(i / this.columns), i % this.columns);
      image.data.set([r, g, b, alpha], 4 * i);
    }
    this.pixels.getContext('2d').putImageData(image, 0, 0);
    this.draw();
  }
  draw() {
    const context = this.canvas.getContext('2d');
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.pixels, 0, 0, this.canvas.width, this.canvas.height);
    if (this.over) this.over(context, this.cell);
  }
  /// A frame that shows on any color.
  frame(y, x, rows = 1, columns = 1) {
    const context = this.canvas.getContext('2d');
    const line = Math.max(1, this.size / 200);
    for (const [style, inset] of [['#fff', line * 1.5], ['#000', line / 2]]) {
      context.strokeStyle = style;
      context.lineWidth = line;
      context.strokeRect(x * this.cell + inset, y * this.cell + inset, columns * this.cell - 2 * inset, rows * this.cell - 2 * inset);
    }
  }
}

// ---- Classes.

const className = (run, c) => run.classes?.[c] ?? `class ${c}`;

function showClasses(run) {
  if (!run.confusion) return;
  $('classes').hidden = false;
  const most = 30;
  const totals = new Map();
  const right = new Map();
  for (const [label, predicted, count] of run.confusion) {
    totals.set(label, (totals.get(label) || 0) + count);
    if (label === predicted) right.set(label, count);
  }
  const all = [...totals].map(([c, total]) => ({ c, total, top1: (right.get(c) || 0) / total }));
  const worst = [...all].sort((a, b) => b.total * (1 - b.top1) - a.total * (1 - a.top1)).slice(0, most);
  const shown = worst.map(({ c }) => c).sort((a, b) => a - b);
  const images = all.reduce((sum, { total }) => sum + total, 0);
  $('classes-hint').append(`${grouped(images)} validation images, with the last weights.` +
    (all.length > most ? ` The ${most} classes with the most mistakes, of ${all.length}.` : ''));
  const place = new Map(shown.map((c, i) => [c, i]));
  const counts = shown.map(() => shown.map(() => 0));
  for (const [label, predicted, count] of run.confusion) {
    if (place.has(label) && place.has(predicted)) counts[place.get(label)][place.get(predicted)] = count;
  }
  const part = (y, x) => counts[y][x] / totals.get(shown[y]);
  const readout = (y, x) => `${className(run, shown[y])} taken for ${className(run, shown[x])}: ${grouped(counts[y][x])} of ` +
    `${grouped(totals.get(shown[y]))} (${share(part(y, x))})`;
  const heat = new Heat({ rows: shown.length, columns: shown.length, size: 1000, label: 'Confusion matrix',
    paint: (y, x) => [...(y === x ? [33, 102, 172] : [200, 40, 40]), 255 * (y === x ? 0.75 * part(y, x) : Math.min(1, 1.6 * Math.sqrt(part(y, x)))) ],
    over: (context, cell) => {
      context.font = `${cell * 0.32}px system-ui, sans-serif`;
      context.textAlign = 'center';
      context.fillStyle = getComputedStyle(document.body).color;
      for (let i = 0; i < shown.length ** 2 && shown.length <= 15; ++i) {
        const [y, x] = [Math.floor(i / shown.length), i % shown.length];
        if (counts[y][x] > 0) context.fillText(counts[y][x], (x + 0.5) * cell, (y + 0.62) * cell);
      }
      heat.frame(heat.y, heat.x);
    },
    point: (y, x) => { heat.draw(); $('confusion-readout').textContent = readout(y, x); } });
  heat.canvas.style.imageRendering = 'auto';
  $('confusion').append(make('div', { class: 'matrix' }, make('div', { class: 'names' },
    ...shown.map((c) => make('span', { title: className(run, c) }, className(run, c)))), heat.canvas));
  heat.repaint();
  $('confusion-readout').append('Point at a cell.');
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => heat.draw());
  const order = [...(all.length > most ? worst : all)].sort((a, b) => a.top1 - b.top1);
  $('accuracy').append(make('div', { class: 'accuracy' }, ...order.flatMap(({ c, total, top1 }) => [
    make('span', { title: className(run, c) }, className(run, c)),
    make('span', { class: 'meter' }, make('i', { style: `width:${100 * top1}%` })),
    make('span', {}, `${(100 * top1).toFixed(1)} % of ${grouped(total)}`)])));
}

function showMistakes(run) {
  $('mistakes').hidden = !run.mistakes;
  $('wrong').append(...(run.mistakes || []).map((mistake) => make('figure', {},
    mistake.picture ? make('img', { src: mistake.picture, alt: `A ${className(run, mistake.label)}`, loading: 'lazy' }) : null,
    make('figcaption', {}, className(run, mistake.label), make('br'), make('small', {},
      `taken for ${className(run, mistake.predicted)}, ${share(mistake.probability)} sure`)))));
}

// ---- Inspector.

/// bf16 is the upper half of a float.
function weightsOf(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const halves = new Uint16Array(bytes.buffer);
  return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
}

class Inspector {
  constructor(run) {
    const { rows, columns, blocks, layers, samples = [] } = run.inspector;
    Object.assign(this, { run, rows, columns, samples, n: rows * columns, isText: rows === 1, layer: layers.length - 1, sample: 0, byGate: false });
    this.layers = layers.map(({ block, weights }) => {
      const all = weightsOf(weights);
      const side = Math.round(Math.sqrt(all.length));
      const skip = side - this.n;
      const at = (i, j) => all[(i + skip) * side + j + skip];
      const sizes = Float32Array.from(all, Math.abs).sort();
      return { block, at, skip, scale: sizes[Math.floor(sizes.length * 0.99)] || sizes[sizes.length - 1] || 1 };
    });
    this.token = this.isText ? samples[0]?.masks?.[0]?.at ?? this.n >> 1 : (rows >> 1) * columns + (columns >> 1);
    this.hints(blocks);
    this.buildMaps();
    if (this.isText && samples.length > 0) this.buildText();
    this.buildControls();
    this.show();
  }

  get current() { return this.layers[this.layer]; }
  gates() { return this.samples[this.sample]?.gates?.[this.current.block]; }
  gate(token) { return this.gates()?.[token + this.current.skip]; }

  hints(blocks) {
    const things = this.isText ? 'token of the text' : 'patch of the picture';
    $('inspector-hint').append(`Point at a ${things}, or move with the arrow keys: the map shows its row of the spatial weights W, ` +
      'the tokens that it listens to. The gate is the mean of |u · (W v + b)| over the channels. ' +
      (this.layers.length < blocks ? `${this.layers.length} of ${blocks} layers are here: more weights would not fit a page of 5 MB. ` : '') +
      (this.samples.length === 0 ? 'Without a sample, only the weights are shown.' : ''));
  }

  buildControls() {
    Object.assign($('layer'), { max: this.layers.length - 1, value: this.layer });
    $('layer').addEventListener('input', () => { this.layer = Number($('layer').value); this.show(); });
    $('samples').hidden = this.samples.length === 0;
    choices($('samples'), 'sample', this.samples.map((sample, i) => sample.picture
      ? make('img', { src: sample.picture, alt: `${i + 1}: ${className(this.run, sample.label)}` }) : String(i + 1)), 0, (i) => {
      this.sample = i;
      if (this.isText) this.buildText();
      this.show();
    });
    $('layers-caption').append(this.isText ? 'W of every layer' : 'The same token in every layer');
    this.thumbs = this.layers.map((layer, i) => {
      const heat = this.isText
        ? this.whole(layer, 96, false)
        : new Heat({ rows: this.rows, columns: this.columns, size: 1, paint: (y, x) => blueWhiteRed(layer.at(this.token, y * this.columns + x) / layer.scale) });
      const button = make('button', { type: 'button', onclick: () => { this.layer = i; $('layer').value = i; this.show(); } }, heat.canvas, `${layer.block + 1}`);
      $('layers').append(button);
      if (this.isText) heat.repaint();
      return { heat, button };
    });
    $('layers-figure').hidden = this.layers.length < 2;
  }

  /// W of a layer; pointing at it chooses the row.
  whole(layer, size, pointed = true) {
    return new Heat({ rows: this.n, columns: this.n, size, label: 'Spatial weights',
      paint: (y, x) => blueWhiteRed((layer || this.current).at(y, x) / (layer || this.current).scale),
      over: pointed ? () => this.matrix.frame(this.token, 0, 1, this.n) : null,
      point: pointed ? (y, x) => this.choose(y, x) : null });
  }

  buildMaps() {
    const map = (label, paint, over) => {
      const heat = new Heat({ rows: this.rows, columns: this.columns, size: 640, label, paint, over,
        point: (y, x) => this.choose(y * this.columns + x) });
      heat.own = () => heat.frame(Math.floor(this.token / this.columns), this.token % this.columns);
      return heat;
    };
    const figure = (caption, ...content) => $('maps').append(make('figure', {}, make('figcaption', {}, caption), ...content));
    this.matrix = this.whole(null, 640);
    this.maps = [];
    if (!this.isText) {
      this.row = map('Row of W over the image', (y, x) => blueWhiteRed(this.current.at(this.token, y * this.columns + x) / this.current.scale), () => this.row.own());
      this.gateMap = map('Gate values over the image', (y, x) => whiteViolet(this.gate(y * this.columns + x) / this.gateScale), () => this.gateMap.own());
      this.maps.push(this.row);
      if (this.samples.length > 0) {
        this.maps.push(this.gateMap);
        this.overlay = map('The sample', () => [0, 0, 0, 0], () => this.overlay.own());
        this.picture = make('img', { class: 'crop', alt: '', style: `transform:scale(${1 / (this.run.crop || 1)})` });
        this.pictureCaption = make('span', {}, '');
        this.overlay.repaint();
        figure(this.pictureCaption, make('div', { class: 'view' }, this.picture, this.overlay.canvas));
      }
      figure('The token\'s row of W', this.row.canvas);
      if (this.samples.length > 0) figure('Gate values of the sample', this.gateMap.canvas);
    }
    figure('All of W: a row per token', this.matrix.canvas);
  }

  buildText() {
    const { tokens, masks = [] } = this.samples[this.sample];
    const masked = new Set(masks.map(({ at }) => at));
    const box = $('text');
    this.spans = tokens.map((token, i) => make('span', { class: masked.has(i) ? 'mask' : '' }, token.replace('\n', '⏎\n')));
    box.replaceChildren(...this.spans);
    if (box.tabIndex === 0) return;
    box.setAttribute('tabindex', 0);
    box.setAttribute('role', 'application');
    box.setAttribute('aria-label', 'Tokens of the sample; arrow keys move');
    const from = (event) => { const i = this.spans.indexOf(event.target); if (i >= 0) this.choose(i); };
    box.addEventListener('pointerover', from);
    box.addEventListener('pointerdown', from);
    box.addEventListener('keydown', (event) => {
      const own = this.spans[this.token];
      const line = (sign) => this.spans.reduce((best, span, i) => {  // the token above or below
        const far = sign * (span.offsetTop - own.offsetTop) * 1e4 + Math.abs(span.offsetLeft - own.offsetLeft);
        return sign * (span.offsetTop - own.offsetTop) > 4 && far < best[0] ? [far, i] : best;
      }, [Infinity, this.token])[1];
      const next = { ArrowLeft: () => this.token - 1, ArrowRight: () => this.token + 1, ArrowUp: () => line(-1), ArrowDown: () => line(1) }[event.key];
      if (!next) return;
      event.preventDefault();
      this.choose(Math.min(this.n - 1, Math.max(0, next())));
      this.spans[this.token].scrollIntoView({ block: 'nearest' });
    });
    choices($('samples').parentElement.appendChild(make('fieldset', { class: 'choice' }, make('legend', {}, 'Color the text by'))),
      'shade', ['Row of W', 'Gate value'], 0, (i) => { this.byGate = i === 1; this.show(); });
  }

  choose(token, other) {
    if (token === this.token && other === this.other) return;
    Object.assign(this, { token, other });
    this.show(false);
  }

  /// Draws all; without `whole`, only what depends on the token.
  show(whole = true) {
    const gates = this.gates();
    if (gates) this.gateScale = Math.max(...gates, 1e-12);
    for (const heat of this.maps) heat.repaint();
    this.overlay?.draw();
    if (whole) this.matrix.repaint(); else this.matrix.draw();
    this.thumbs.forEach(({ heat, button }, i) => {
      if (!this.isText) heat.repaint();
      button.setAttribute('aria-pressed', String(i === this.layer));
    });
    $('layer-name').textContent = `${this.current.block + 1} of ${this.run.inspector.blocks}`;
    const sample = this.samples[this.sample];
    if (this.picture && sample) {
      this.picture.hidden = !sample.picture;
      if (sample.picture) this.picture.src = sample.picture;
      this.pictureCaption.textContent = `${className(this.run, sample.label)}, ` + (sample.predicted === sample.label
        ? `recognized (${share(sample.probability)} sure)` : `taken for ${className(this.run, sample.predicted)} (${share(sample.probability)} sure)`);
    }
    this.spans?.forEach((span, i) => {
      const t = this.byGate ? this.gate(i) / this.gateScale : this.current.at(this.token, i) / this.current.scale;
      const base = this.byGate ? '140, 80, 220' : t < 0 ? '53, 132, 212' : '218, 60, 60';
      span.style.background = Math.abs(t) > 0.02 ? `rgba(${base}, ${Math.min(1, Math.abs(t)) * 0.75})` : '';
      span.classList.toggle('own', i === this.token);
    });
    $('token-readout').textContent = this.readout();
    this.showGuesses(sample);
  }

  name(token) {
    if (!this.isText) return `(row ${Math.floor(token / this.columns) + 1}, column ${token % this.columns + 1})`;
    const text = this.samples[this.sample]?.tokens[token];
    return `${token + 1}${text === undefined ? '' : ` “${text.replace('\n', '⏎')}”`}`;
  }

  readout() {
    const weight = (j) => { const value = this.current.at(this.token, j); return `${value < 0 ? '−' : '+'}${short(Math.abs(value), 3)}`; };
    let top = 0;
    for (let j = 1; j < this.n; ++j) if (Math.abs(this.current.at(this.token, j)) > Math.abs(this.current.at(this.token, top))) top = j;
    const gate = this.gate(this.token);
    return `Token ${this.name(this.token)}: strongest weight ${weight(top)} on ${this.name(top)}, its own ${weight(this.token)}` +
      (this.other === undefined ? '' : `, ${weight(this.other)} on ${this.name(this.other)}`) + (gate === undefined ? '.' : `. Gate ${short(gate, 3)}.`);
  }

  showGuesses(sample) {
    const mask = sample?.masks?.find(({ at }) => at === this.token);
    $('guesses').replaceChildren(...(mask ? [make('p', { class: 'hint' }, `Masked here: “${mask.target}”. The model's candidates:`),
      make('div', { class: 'accuracy guesses' }, ...mask.guesses.flatMap(([word, p]) => [make('span', {}, word),
        make('span', { class: 'meter' }, make('i', { style: `width:${100 * p}%` })), make('span', {}, share(p))]))]
      : sample?.masks ? [make('p', { class: 'hint' }, 'Masked and replaced words are underlined. Point at one for the model\'s candidates.')] : []));
  }
}

function showInspector(run) {
  const inspector = run.inspector;
  if (!inspector || inspector.blocks === 0) return;
  $('inspector').hidden = false;
  if (inspector.layers.length > 0) { new Inspector(run); return; }
  $('inspector').replaceChildren(make('h2', {}, 'Inspector'), make('p', { class: 'hint' },
    `The spatial weights of ${inspector.rows * inspector.columns} tokens would not fit a page of 5 MB; filters.png shows them.`));
}

// ---- Text that the log has of every validation.

function showWritten(run) {
  const samples = run.log.filter((line) => /^(written|filled) {2}/.test(line));
  if (samples.length === 0) return;
  $('written').hidden = false;
  const filled = samples[0].startsWith('filled');
  $('written-title').append(filled ? 'What the model filled in' : 'What the model wrote');
  const quote = (line, i) => {
    const text = line.replace(/^\w+ +/, '');
    const cut = filled ? -1 : text.indexOf(' | ');
    return make('blockquote', {}, make('small', {}, `Validation ${i + 1}`),
      cut < 0 ? null : make('b', {}, text.slice(0, cut)), cut < 0 ? text : text.slice(cut + 3));
  };
  const quotes = samples.map(quote).reverse();
  $('texts').append(make('p', { class: 'hint' }, filled
    ? 'The first validation window. [word] was masked and found; [guess≠word] was masked and missed.'
    : 'After the gray beginning, from the validation text, the words are the model\'s.'), ...quotes.slice(0, 2));
  if (quotes.length > 2) $('texts').append(make('details', {}, make('summary', {}, `${quotes.length - 2} earlier validations`), ...quotes.slice(2)));
}

showSummary();
showCurves();
if (only) for (const show of [showClasses, showMistakes, showInspector, showWritten]) show(only);
for (const section of document.querySelectorAll('main > section:not([hidden])')) {
  const title = section.querySelector('h2');
  if (title) $('contents').append(make('a', { href: `#${section.id}` }, title.textContent));
}
