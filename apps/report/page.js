'use strict';
// The page of a run, or of several beside each other. Names and texts come from foreign data: they
// become text nodes and attributes, never markup.

const $ = (id) => document.getElementById(id);
const data = JSON.parse($('data').textContent);
const svgTags = ['svg', 'g', 'path', 'line', 'rect', 'circle', 'text', 'clipPath'];

/// An element with attributes (on... are listeners) and children; those that are null are left out.
function make(tag, attributes = {}, ...children) {
  const space = svgTags.includes(tag) ? 'http://www.w3.org/2000/svg' : 'http://www.w3.org/1999/xhtml';
  const element = document.createElementNS(space, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => (child ?? null) !== null));
  return element;
}
const swatch = (color, opacity = 1) => make('i', { class: 'swatch', style: `background:${color};opacity:${opacity}` });
const photo = (src, alt) => make('img', { src, alt,
  onload: ({ target }) => target.classList.toggle('pixels', target.naturalWidth < 64) });  // small ones stay sharp
const fold = (title, content) => make('details', {}, make('summary', {}, title), content);

/// Radio buttons in a fieldset; `choose` gets the number of the chosen one.
function choices(fieldset, name, contents, choose) {
  contents.forEach((content, i) => fieldset.append(
    make('input', { type: 'radio', name, id: `${name}${i}`, checked: i === 0, onchange: () => choose(i) }),
    make('label', { for: `${name}${i}` }, content)));
}

/// Runs the action of a key; other keys keep their meaning.
function onKeys(event, actions) {
  if (actions[event.key]) { event.preventDefault(); actions[event.key](); }
}

// ---- Numbers as people read them.

const grouped = (value) => Math.round(value).toLocaleString('en-US');
const share = (value) => `${(100 * value).toFixed(value > 0.0995 ? 0 : 1)}\u00a0%`;
const visible = (token) => token.replaceAll('\n', '\u23ce').replace(/^ +$/, '\u2423');  // a blank alone
const signed = (value) => `${value < 0 ? '\u2212' : '+'}${short(Math.abs(value), 2)}`;
function short(value, digits = 4) {
  if (!Number.isFinite(value)) return '\u2013';
  if (Math.abs(value) >= 1e4) return grouped(value);
  const rounded = Number(value.toPrecision(digits));
  return value !== 0 && Math.abs(value) < 1e-3 ? rounded.toExponential() : `${rounded}`;
}
function duration(seconds) {
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  return minutes > 0 ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${short(seconds, 2)} s`;
}

// ---- The files of a run.

const metrics = { val_top1: ['top-1 accuracy', '\u00a0%'], val_accuracy: ['accuracy', '\u00a0%'],
  val_f1: ['F1', '\u00a0%'], val_perplexity: ['perplexity', ''] };
function parsed(text) { try { return Object(JSON.parse(text)); } catch { return {}; } }
function readRun(raw) {
  const [header = '', ...rows] = raw['metrics.csv'];
  const columns = header.split(',');
  const numbers = (row) => row.split(',').map((cell, i) => [columns[i], cell === '' ? NaN : Number(cell)]);
  const options = raw['config.toml'].filter((line) => /^[^#=]+=/.test(line)).map((line) => line.split(/=(.*)/, 2));
  const run = { ...raw, options: new Map(options), command: 'gmlp-vision train', samples: 'images',
    name: raw.folder.replace(/\/+$/, '').split('/').pop(),
    summary: parsed(raw['summary.json'].join('\n')),
    environment: parsed(raw['environment.json'].join('\n')),
    steps: raw['steps.jsonl'].map(parsed).filter((step) => step.step > 0),
    epochs: rows.map((row) => Object.fromEntries(numbers(row))).filter((row) => row.epoch > 0),
    metric: columns[4] || 'val_top1',
    log: raw['log.txt'] };
  // "note     loss* is cross-entropy + label smoothing; val loss is cross-entropy"
  run.lossNote = run.log.map((line) => line.match(/^note +loss\* is (.*);/)?.[1]).find(Boolean);
  [run.metricName, run.unit] = metrics[run.metric] || [run.metric, ''];
  if (run.options.has('objective')) Object.assign(run, { command: 'gmlp-language pretrain', samples: 'windows' });
  if (run.options.has('task')) Object.assign(run, { command: 'gmlp-language finetune', samples: 'examples' });
  run.className = (c) => `\u2068${raw.classes?.[c] ?? `class ${c}`}\u2069`;  // right-to-left names stay apart
  return run;
}
const runs = data.runs.map(readRun);
const only = runs.length === 1 ? runs[0] : null;
if (new Set(runs.map((run) => run.name)).size < runs.length) runs.forEach((run) => { run.name = run.folder; });

// ---- Summary.

/// [label, value, error or unit, small print] of what a run came to, without what is unknown.
function facts({ summary, environment, metric, metricName, unit, epochs, samples }) {
  const { best = summary.final || {}, final = {}, machine_peak_gflops: peak } = summary;
  const digits = unit ? 2 : 3;
  const error = best[`${metric}_standard_error`] ?? final.sets?.[0][`${metric.replace('val_', '')}_standard_error`];
  const lossError = final.val_loss_standard_error;
  const last = final[metric] !== best[metric] && final[metric]?.toFixed(digits);
  const threads = environment.threads ?? '?';
  const machine = `of ${grouped(peak || 0)} GFLOP/s: ${threads} thread${threads === 1 ? '' : 's'}, ` +
    `${environment.isa ?? '?'}`;
  const bits = best.val_bits_per_byte && `${best.val_bits_per_byte.toFixed(3)} bits per byte`;
  const speed = epochs.map((row) => row.samples_per_s).filter(Number.isFinite).pop();
  return [
    [`Best ${metricName}`, best[metric]?.toFixed(digits), (error ? ` \u00b1 ${error.toFixed(digits)}` : '') + unit,
      best.epoch && `epoch ${best.epoch}${last ? `; the last has ${last}${unit}` : ''}`],
    ['Validation loss', best.val_loss?.toFixed(3), lossError ? ` \u00b1 ${lossError.toFixed(3)}` : '', bits],
    ['Parameters', summary.parameters && grouped(summary.parameters), '', summary.model],
    ['Time', summary.wall_seconds && duration(summary.wall_seconds), '',
      `${grouped(summary.steps || 0)} of ${grouped(summary.total_steps || 0)} steps`],
    ['Share of peak', summary.share_of_machine_peak && share(summary.share_of_machine_peak), '', machine],
    ['Throughput', speed && short(speed, 3), ` ${samples}/s`, 'in the last epoch'],
  ].filter((fact) => fact[1]);
}

function showSummary() {
  const names = [...new Set(runs.map(({ summary: s, name }) => s.data ? `${s.model} on ${s.data}` : name))];
  $('title').append(only ? names[0] : `${runs.length} runs`);
  document.title = `${$('title').textContent} \u00b7 gmlp report`;
  $('path').append(only ? only.folder : names.join(', '));
  $('footer').append(`Made by gmlp ${data.version}.`);
  if (only) showTiles(only); else showComparison();
}

function showTiles(run) {
  const notes = [run.summary.steps ? null : 'The run has no summary.json: it has not ended yet.',
    run.note ? `Some parts are missing: ${run.note}` : null].filter(Boolean);
  $('note').hidden = notes.length === 0;
  $('note').append(notes.join(' '));
  $('tiles').append(...facts(run).map(([label, value, unit, small]) => make('div', { class: 'tile' },
    make('dt', {}, label), make('dd', {}, value, make('span', {}, unit), make('small', {}, small || '')))));
  const given = [...run.options].filter(([, value]) => value !== '""' && value !== '[]');
  const banner = run.log.filter((line) => /^(model|data|machine|recipe|note) /.test(line));
  const machine = Object.entries(run.environment).map(([name, value]) => `${name.padEnd(17)}${value}`);
  $('details').append(
    fold('Model, data and machine', make('pre', {}, [...new Set(banner), '', ...machine].join('\n'))),
    fold('Command and options', make('pre', {}, `${run.command} --config ${run.folder}/config.toml\n\n` +
      given.map(([name, value]) => `${name} = ${value}`).join('\n'))));
}

function showComparison() {
  const rows = (maps) => [...new Set(maps.flatMap((map) => [...map.keys()]))]
    .map((name) => [name, ...maps.map((map) => map.get(name) ?? '\u2013')]);
  const differs = (row) => new Set(row.slice(1)).size > 1;
  const heads = runs.map((run, i) => make('th', { scope: 'col' }, swatch(color(i)), ` ${run.name}`));
  const line = (row, marked) => make('tr', { class: marked && differs(row) ? 'differs' : '' },
    make('th', { scope: 'row' }, row[0]), ...row.slice(1).map((cell) => make('td', {}, cell)));
  const results = rows(runs.map((run) => new Map([['Model', run.summary.model], ['Data', run.summary.data],
    ...facts(run).map(([label, value, unit]) => [label, value + unit])])));
  const options = rows(runs.map((run) => run.options)).filter(([name]) => !['out', 'quiet'].includes(name));
  $('compare').append(make('table', {}, make('thead', {}, make('tr', {}, make('th'), ...heads)), make('tbody', {},
    ...results.map((row) => line(row, false)), ...options.filter(differs).map((row) => line(row, true)))));
  $('details').append(fold('The same in all runs', make('pre', {},
    options.filter((row) => !differs(row)).map(([name, value]) => `${name} = ${value}`).join('\n'))));
}

// ---- Curves. All charts share the horizontal axis, its zoom and the place of the readout.

const color = (i) => `var(--s${i % 6})`;
const axis = { name: 'step', range: null, at: NaN, hidden: new Set() };
const charts = [];

/// Means over a window of a twentieth of the points, or of three: the moving average.
function smoothed(points) {
  const reach = Math.max(1, Math.floor(points.length / 40));
  const near = (i) => points.slice(Math.max(0, i - reach), i + reach + 1);
  return points.map(([x], i) => [x, near(i).reduce((sum, [, y]) => sum + y, 0) / near(i).length]);
}

/// The lines of a chart. Those of a single run have colors of their own, else each run has one.
function linesOf(kind) {
  return runs.flatMap((run, i) => {
    // Another metric, or samples of another kind, have no place on the first run's scale.
    if (kind === 'metric' && run.metric !== runs[0].metric) return [];
    if (kind === 'speed' && run.samples !== runs[0].samples) return [];
    const perStep = axis.name === 'step', train = run.lossNote ? 'train*' : 'train';
    const line = (name, index, rows, column, more = {}) => ({
      name: only ? name : run.name + (kind === 'loss' ? `, ${name}` : ''), key: only ? name : run.name,
      color: color(only ? index : i), dots: rows === run.epochs, ...more,
      points: rows.map((row) => [row[axis.name], row[column]]).filter(([, y]) => Number.isFinite(y)) });
    const rows = perStep ? run.steps : run.epochs;
    if (kind === 'lr') return [line('learning rate', 0, rows, 'lr')];
    if (kind === 'speed') return [line('throughput', 0, rows, 'samples_per_s')];
    if (kind === 'metric') return [line('validation', 1, run.epochs, run.metric)];
    const validation = line('validation', 1, run.epochs, 'val_loss', { dashed: !only });
    if (!perStep) return [line(`${train}, mean of the epoch`, 0, rows, 'train_loss'), validation];
    const raw = line(`${train}, logged steps`, 0, rows, 'loss', { raw: true });
    const smooth = { ...line(`${train}, moving average`, 0, rows, 'loss'), points: smoothed(raw.points) };
    return [...(only ? [raw] : []), smooth, validation];
  }).filter((line) => line.points.length > 0);
}

function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.max(0, Math.floor(high / step) - first + 1) }, (_, i) => (first + i) * step);
}

/// The least and the greatest value, with a margin.
function bounds(values, margin) {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const space = (high - low || Math.abs(high) || 1) * margin;
  return low <= high ? [low - space, high + space] : [0, 1];
}

const nearest = (points, x) => points.reduce((a, b) => Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a);

class Chart {
  constructor(kind, title, unit = '') {
    Object.assign(this, { kind, unit });
    const x = (event) => this.low + (event.offsetX - this.left) / this.width * (this.high - this.low);
    this.svg = make('svg', { tabindex: 0, role: 'img', 'aria-label': `${title}. Arrow keys move the readout.`,
      onpointerdown: (event) => {
        axis.at = x(event);
        this.from = event.pointerType === 'touch' ? undefined : axis.at;  // a finger reads, a mouse also zooms
        this.svg.setPointerCapture(event.pointerId);
        drawCharts();
      },
      onpointermove: (event) => { axis.at = x(event); drawCharts(); },
      onpointercancel: () => { this.from = undefined; },
      onpointerup: (event) => this.drop(x(event)),
      ondblclick: () => zoomTo(null),
      onkeydown: (event) => this.key(event),
      onwheel: (event) => {  // without the focus it scrolls the page
        if (document.activeElement !== this.svg && !event.ctrlKey) return;
        event.preventDefault();
        this.zoom(event.deltaY > 0 ? 1.25 : 0.8, x(event));
      } });
    this.values = make('div', { class: 'values', 'aria-live': 'polite' });
    $('charts').append(make('div', { class: 'chart' }, make('h3', {}, title), this.svg, this.values));
  }
  drop(x) {
    if (this.from === undefined) return;
    const range = [this.from, x].sort((a, b) => a - b);
    this.from = undefined;
    if (range[1] - range[0] > (this.high - this.low) / 50) zoomTo(range); else drawCharts();
  }
  key(event) {
    const at = Number.isFinite(axis.at) ? axis.at : (this.low + this.high) / 2;
    const stride = (this.high - this.low) / 40;
    const move = (x) => { axis.at = Math.min(this.high, Math.max(this.low, x)); drawCharts(); };
    const closer = () => this.zoom(0.8, at);
    onKeys(event, { ArrowLeft: () => move(at - stride), ArrowRight: () => move(at + stride), '+': closer, '=': closer,
      '-': () => this.zoom(1.25, at), Escape: () => zoomTo(null) });
  }
  zoom(factor, x) {
    const low = Math.max(this.whole[0], x - (x - this.low) * factor);
    const high = Math.min(this.whole[1], x + (this.high - x) * factor);
    zoomTo(low > this.whole[0] || high < this.whole[1] ? [low, high] : null);
  }
  draw() {
    const lines = linesOf(this.kind).filter((line) => !axis.hidden.has(line.key));
    const [width, height] = [this.svg.clientWidth || 400, this.svg.clientHeight || 240];
    this.whole = bounds(runs.flatMap((run) => [...run.steps, ...run.epochs].map((row) => row[axis.name])), 0);
    if (axis.name === 'step' || this.whole[0] === this.whole[1]) this.whole[0] = 0;
    [this.low, this.high] = axis.range || this.whole;
    const visible = lines.filter((line) => !line.raw).flatMap((line) => line.points)
      .filter(([x]) => x >= this.low && x <= this.high).map(([, y]) => y);
    const [bottom, top] = bounds(visible, 0.06);
    const labels = ticks(bottom, top, 4);
    const largest = Math.max(Math.abs(bottom), Math.abs(top)), between = labels[1] - labels[0] || largest;
    const digits = Math.max(3, Math.floor(Math.log10(largest / between)) + 2);  // so that no two labels are equal
    this.left = 12 + 6.6 * Math.max(1, ...labels.map((y) => short(y, digits).length));
    this.width = Math.max(1, width - this.left - 12);
    const px = (x) => this.left + (x - this.low) / (this.high - this.low) * this.width;
    const py = (y) => 8 + (top - y) / (top - bottom) * (height - 34);
    const marks = ticks(this.low, this.high, width > 360 ? 6 : 4).filter(Number.isInteger);
    this.svg.replaceChildren(
      make('clipPath', { id: `clip-${this.kind}` },
        make('rect', { x: this.left - 4, y: 2, width: this.width + 8, height: height - 26 })),
      ...labels.flatMap((y) => [make('line', { class: 'grid', x1: this.left, x2: width - 12, y1: py(y), y2: py(y) }),
        make('text', { x: this.left - 6, y: py(y) + 4, 'text-anchor': 'end' }, short(y, digits))]),
      ...marks.map((x) => make('text', { x: px(x), y: height - 8, 'text-anchor': 'middle' }, short(x, 6))),
      make('g', { 'clip-path': `url(#clip-${this.kind})` }, ...lines.flatMap((line) => this.strokes(line, px, py))));
    this.readout(lines, px, height);
  }
  strokes({ points, raw, dashed, dots, color: stroke }, px, py) {
    const d = points.map(([x, y], i) => `${i ? 'L' : 'M'}${px(x).toFixed(1)} ${py(y).toFixed(1)}`).join('');
    const path = make('path', { class: `${raw ? 'raw' : ''} ${dashed ? 'dashed' : ''}`, style: `stroke:${stroke}`, d });
    const circle = ([x, y]) => make('circle', { cx: px(x), cy: py(y), r: 3, style: `fill:${stroke}` });
    return [path, ...(points.length === 1 || (dots && points.length < 80) ? points.map(circle) : [])];
  }
  readout(lines, px, height) {
    const inside = axis.at >= this.low && axis.at <= this.high;
    const x = inside ? px(axis.at) : 0;
    if (inside) this.svg.append(make('line', { class: 'cursor', x1: x, x2: x, y1: 4, y2: height - 24 }));
    if (inside && this.from !== undefined) {
      const [left, right] = [x, px(this.from)].sort((a, b) => a - b);
      this.svg.append(make('rect', { class: 'band', x: left, width: right - left, y: 4, height: height - 28 }));
    }
    const at = inside ? axis.at : this.high;
    const near = (line) => !line.raw && line.points[line.points.length - 1][0] > at - (this.high - this.low) / 4;
    const shown = lines.filter(near).map((line) => [line, nearest(line.points, at)]);
    this.values.replaceChildren(make('span', {}, `${axis.name} ${grouped(at)}`),
      ...shown.map(([line, [, y]]) => make('span', {}, swatch(line.color), `${line.name} ${short(y)}${this.unit}`)));
  }
}

function drawCharts() { for (const chart of charts) chart.draw(); }
function zoomTo(range) { axis.range = range; $('reset').hidden = range === null; drawCharts(); }

function drawLegend() {
  const { hidden } = axis;
  const entries = new Map(linesOf('loss').map((line) => [line.key, line]));
  const toggle = (key) => { if (!hidden.delete(key)) hidden.add(key); drawLegend(); drawCharts(); };
  $('legend').replaceChildren(...[...entries].map(([key, line]) => make('button', { type: 'button',
    'aria-pressed': !hidden.has(key), onclick: () => toggle(key) }, swatch(line.color, line.raw ? 0.4 : 1), key)));
}

function showCurves() {
  if (!runs.some((run) => run.steps.length + run.epochs.length > 0)) return;
  $('curves').hidden = false;
  const { metric, metricName, unit, samples } = runs[0];
  charts.push(new Chart('loss', 'Loss (cross-entropy)'));
  const validated = runs.some((run) => run.epochs.some((row) => Number.isFinite(row[metric])));
  if (validated) charts.push(new Chart('metric', `Validation ${metricName}`, unit));
  charts.push(new Chart('lr', 'Learning rate'), new Chart('speed', `Throughput (${samples} per second)`));
  choices($('axis'), 'axis', ['Step', 'Epoch'], (i) => {
    Object.assign(axis, { name: ['step', 'epoch'][i], at: NaN });
    drawLegend();
    zoomTo(null);
  });
  $('reset').addEventListener('click', () => zoomTo(null));
  const notes = [...new Set(runs.map((run) => run.lossNote).filter(Boolean))];
  $('loss-hint').hidden = notes.length === 0;
  $('loss-hint').append(`* The training loss is ${notes.join(' or ')}; the validation loss is cross-entropy. ` +
    'The two cannot be compared.');
  drawLegend();
  new ResizeObserver(drawCharts).observe($('charts'));
}

// ---- Maps: matrices as pictures whose cells can be pointed at.

const fade = (end, t) => end.map((value) => 255 + Math.min(1, Math.max(0, t)) * (value - 255));
const blueWhiteRed = (t) => t < 0 ? fade([33, 102, 172], -t) : fade([178, 24, 43], t);

/// {rows, columns, size in pixels, label, paint(y, x) -> [r, g, b, alpha], over(heat), point(y, x)}.
class Heat {
  constructor(options) {
    Object.assign(this, options, { y: 0, x: 0 });
    this.cell = Math.max(1, Math.floor(this.size / Math.max(this.rows, this.columns)));
    this.pixels = make('canvas', { width: this.columns, height: this.rows });
    const size = { width: this.columns * this.cell, height: this.rows * this.cell };
    const from = ({ offsetX, offsetY }) =>
      this.move(offsetY / this.canvas.clientHeight * this.rows, offsetX / this.canvas.clientWidth * this.columns);
    const key = (event) => onKeys(event, {
      ArrowLeft: () => this.move(this.y, this.x - 1), ArrowRight: () => this.move(this.y, this.x + 1),
      ArrowUp: () => this.move(this.y - 1, this.x), ArrowDown: () => this.move(this.y + 1, this.x) });
    this.canvas = make('canvas', this.point ? { ...size, tabindex: 0, role: 'application', onpointermove: from,
      onpointerdown: from, onkeydown: key, 'aria-label': `${this.label}. Arrow keys move.` } : size);
  }
  move(y, x) {
    const within = (value, count) => Math.min(count - 1, Math.max(0, Math.floor(value)));
    this.point(within(y, this.rows), within(x, this.columns));
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
    const { width, height } = this.canvas;
    const context = this.canvas.getContext('2d');
    context.imageSmoothingEnabled = false;
    context.clearRect(0, 0, width, height);
    context.drawImage(this.pixels, 0, 0, width, height);
    this.over?.(this);
  }
  /// The cell (or cells) that the keyboard moves from, in a frame that shows on any color.
  frame(y, x, columns = 1) {
    Object.assign(this, { y, x });
    const context = this.canvas.getContext('2d');
    const line = Math.max(1, this.size / 200);
    for (const [style, inset] of [['#fff', line * 1.5], ['#000', line / 2]]) {
      Object.assign(context, { strokeStyle: style, lineWidth: line });
      const side = this.cell - 2 * inset;
      context.strokeRect(x * this.cell + inset, y * this.cell + inset, (columns - 1) * this.cell + side, side);
    }
  }
}

// ---- Classes.

function showClasses(run) {
  $('classes').hidden = !run.mistakes && !run.confusion;
  if (!run.confusion) { $('classes-hint').append('Too many pairs of classes for a page of 5 MB.'); return; }
  const most = 30;
  const counts = new Map(run.confusion.map(([label, predicted, count]) => [`${label} ${predicted}`, count]));
  const count = (label, predicted) => counts.get(`${label} ${predicted}`) || 0;
  const totals = new Map();
  for (const c of run.confusion.flatMap((pair) => pair.slice(0, 2))) totals.set(c, 0);
  for (const [label, , number] of run.confusion) totals.set(label, totals.get(label) + number);
  const missed = (c) => totals.get(c) - count(c, c);
  const accuracy = (c) => count(c, c) / totals.get(c);
  const shown = [...totals.keys()].sort((a, b) => missed(b) - missed(a)).slice(0, most).sort((a, b) => a - b);
  const images = [...totals.values()].reduce((sum, number) => sum + number, 0);
  $('classes-hint').append(`${grouped(images)} validation images, by the last weights.` +
    (totals.size > most ? ` The ${most} of ${totals.size} classes with the most mistakes.` : ''));
  showConfusion(run, shown, count, totals);
  const scored = shown.filter((c) => totals.get(c) > 0).sort((a, b) => accuracy(a) - accuracy(b));
  $('accuracy').append(bars(scored.map((c) =>
    [run.className(c), accuracy(c), `${(100 * accuracy(c)).toFixed(1)}\u00a0% of ${grouped(totals.get(c))}`])));
}

/// [name, part of one, text] of each as a bar.
function bars(rows) {
  return make('div', { class: 'bars' }, ...rows.flatMap(([name, part, text]) => [make('span', { title: name }, name),
    make('span', { class: 'meter' }, make('i', { style: `width:${100 * part}%` })), make('span', {}, text)]));
}

function showConfusion(run, shown, count, totals) {
  const at = (y, x) => count(shown[y], shown[x]);
  const part = (y, x) => at(y, x) / (totals.get(shown[y]) || 1);
  const over = (heat) => {
    const context = heat.canvas.getContext('2d');
    const { color: fillStyle } = getComputedStyle(document.body);
    Object.assign(context, { font: `${heat.cell * 0.32}px system-ui, sans-serif`, textAlign: 'center', fillStyle });
    for (let i = 0; i < shown.length ** 2 && shown.length <= 15; ++i) {
      const [y, x] = [Math.floor(i / shown.length), i % shown.length];
      if (at(y, x) > 0) context.fillText(at(y, x), (x + 0.5) * heat.cell, (y + 0.62) * heat.cell);
    }
    heat.frame(heat.y, heat.x);
  };
  const heat = new Heat({ rows: shown.length, columns: shown.length, size: 1000, label: 'Confusion matrix', over,
    paint: (y, x) => y === x ? [33, 102, 172, 190 * part(y, x)] : [200, 40, 40, 400 * Math.sqrt(part(y, x))],
    point: (y, x) => {
      Object.assign(heat, { y, x });
      heat.draw();
      $('confusion-readout').textContent = `${run.className(shown[y])} taken for ${run.className(shown[x])}: ` +
        `${grouped(at(y, x))} of ${grouped(totals.get(shown[y]))} (${share(part(y, x))})`;
    } });
  heat.canvas.style.imageRendering = 'auto';
  const names = (direction) => make('div', { class: `names ${direction}` },
    ...shown.map((c) => make('span', { title: run.className(c) }, run.className(c))));
  $('confusion').append(make('div', { class: 'matrix' }, names('rows'), heat.canvas, make('span'), names('columns')));
  $('confusion-readout').append('Point at a cell.');
  heat.repaint();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => heat.draw());
}

const verdict = (run, { label, predicted, probability: p }) =>
  `${label === predicted ? 'recognized' : `taken for ${run.className(predicted)}`}, ${share(p)} sure`;

function showMistakes(run) {
  $('mistakes').hidden = !run.mistakes;
  $('wrong').append(...(run.mistakes || []).map((mistake) => make('figure', {},
    mistake.picture ? photo(mistake.picture, run.className(mistake.label)) : null,
    make('figcaption', {}, run.className(mistake.label), make('br'), make('small', {}, verdict(run, mistake))))));
}

// ---- Inspector.

/// A layer's W (N, N) from signed bytes. A class token in front of the `shown` tokens is skipped.
/// Full color is the magnitude that 99 % of the weights do not reach.
function layerOf({ block, scale: most, roots }, shown) {
  const bytes = Int8Array.from(atob(roots), (c) => c.charCodeAt(0));
  const all = Float32Array.from(bytes, (q) => most * q * Math.abs(q) / 127 ** 2);
  const side = Math.round(Math.sqrt(all.length));
  const skip = side - shown;
  const sizes = all.map(Math.abs).sort();
  const scale = sizes[Math.floor(sizes.length * 0.99)] || sizes[sizes.length - 1] || 1;
  return { block, skip, scale, at: (i, j) => all[(i + skip) * side + j + skip] };
}

class Inspector {
  constructor(run) {
    const { rows, columns, blocks, layers, samples = [] } = run.inspector;
    const n = rows * columns;
    Object.assign(this, { run, rows, columns, n, blocks, samples, isText: run.samples !== 'images', sample: 0, byGate: false });
    this.layers = layers.map((layer) => layerOf(layer, n));
    this.layer = this.layers.length - 1;
    this.token = this.isText ? samples[0]?.masks?.[0]?.at ?? n >> 1 : (rows >> 1) * columns + (columns >> 1);
    $('inspector-hint').append(
      `Point at a ${this.isText ? 'token' : 'patch of the picture'}, or move with the arrow keys, to see its row of ` +
      'the spatial weights W: the tokens that it listens to. ' +
      (samples.length > 0 ? 'The gate: the mean of |u \u00b7 (W v + b)| over the channels. ' : 'No sample is here. ') +
      (layers.length < blocks ? `${layers.length} of ${blocks} blocks fit a page of 5 MB.` : ''));
    this.buildMaps();
    if (this.isText && samples.length > 0) this.buildText();
    this.buildControls();
    this.draw();
  }
  get current() { return this.layers[this.layer]; }
  get shown() { return this.samples[this.sample] || {}; }
  weight(i, j) { return this.current.at(i, j) / this.current.scale; }
  gate(token) { return this.shown.gates?.[this.current.block][token + this.current.skip]; }
  buildControls() {
    Object.assign($('layer'), { max: this.layers.length - 1, value: this.layer });
    $('layer').addEventListener('input', () => this.pick(Number($('layer').value)));
    $('samples').hidden = this.samples.length < 2;
    choices($('samples'), 'sample', this.samples.map(({ picture, label }, i) =>
      picture ? photo(picture, `${i + 1}: ${this.run.className(label)}`) : `${i + 1}`), (i) => {
      this.sample = i;
      if (this.isText) this.fillText();
      this.draw();
    });
    $('layers-caption').append(this.isText ? 'W of every block' : 'The same token in every block');
    $('layers-figure').hidden = this.layers.length < 2;
    this.thumbs = this.layers.map((layer, i) => {
      const heat = new Heat(this.isText
        ? { rows: this.n, columns: this.n, size: 1, paint: (y, x) => blueWhiteRed(layer.at(y, x) / layer.scale) }
        : { rows: this.rows, columns: this.columns, size: 1,
            paint: (y, x) => blueWhiteRed(layer.at(this.token, y * this.columns + x) / layer.scale) });
      heat.repaint();
      $('layers').append(make('button', { onclick: () => this.pick(i) }, heat.canvas, `${layer.block}`));
      return heat;
    });
  }
  pick(layer) { $('layer').value = this.layer = layer; this.draw(); }
  buildMaps() {
    const map = (label, paint) => new Heat({ rows: this.rows, columns: this.columns, size: 640, label,
      paint: (y, x) => paint(y * this.columns + x),
      over: (heat) => heat.frame(Math.floor(this.token / this.columns), this.token % this.columns),
      point: (y, x) => this.choose(y * this.columns + x) });
    const figure = (caption, content) => $('maps').append(make('figure', {}, make('figcaption', {}, caption), content));
    this.maps = [];
    if (!this.isText) {
      const row = map('Row of W over the image', (i) => blueWhiteRed(this.weight(this.token, i)));
      const gates = map('Gate values over the image', (i) => fade([74, 20, 134], this.gate(i) / this.gateScale));
      const cover = map('The sample', () => [0, 0, 0, 0]);
      this.picture = photo(this.samples[0]?.picture || '', '');
      this.picture.style.transform = `scale(${1 / (this.run.crop || 1)})`;
      this.caption = make('span');
      if (this.samples.length > 0) figure(this.caption, make('div', { class: 'view' }, this.picture, cover.canvas));
      figure('The token\'s row of W', row.canvas);
      if (this.samples.length > 0) figure('Gate values: white is 0, violet large', gates.canvas);
      this.maps = this.samples.length > 0 ? [row, gates, cover] : [row];
    }
    this.matrix = new Heat({ rows: this.n, columns: this.n, size: 640, label: 'Spatial weights',
      paint: (y, x) => blueWhiteRed(this.weight(y, x)),
      over: (heat) => { heat.frame(this.token, 0, this.n); heat.frame(this.token, this.other ?? this.token); },
      point: (y, x) => this.choose(y, x) });
    figure('All of W: a row per token', this.matrix.canvas);
    if (this.isText) $('maps').append(make('div', {}, $('token-readout'), $('guesses')));
  }
  fillText() {
    const masked = new Set((this.shown.masks || []).map(({ at }) => at));
    this.spans = this.shown.tokens.map((token, i) =>
      make('span', { class: masked.has(i) ? 'mask' : '' }, token.replace('\n', '\u23ce\n')));
    $('text').replaceChildren(...this.spans);
  }
  buildText() {
    const from = ({ target }) => { if (this.spans.includes(target)) this.choose(this.spans.indexOf(target)); };
    const move = (by) => {
      this.choose(Math.min(this.n - 1, Math.max(0, this.token + by)));
      this.spans[this.token].scrollIntoView({ block: 'nearest' });
    };
    $('text').addEventListener('pointerover', from);
    $('text').addEventListener('pointerdown', from);
    $('text').addEventListener('keydown', (event) => onKeys(event, { ArrowLeft: () => move(-1),
      ArrowRight: () => move(1), ArrowUp: () => move(-10), ArrowDown: () => move(10) }));
    $('text').hidden = $('shade').hidden = false;
    choices($('shade'), 'shade', ['Row of W', 'Gate value'], (i) => { this.byGate = i === 1; this.draw(); });
    this.fillText();
  }
  choose(token, other) { Object.assign(this, { token, other }); this.draw(false); }
  /// Draws everything, or only what depends on the token.
  draw(all = true) {
    this.gateScale = Math.max(1e-12, ...(this.shown.gates?.[this.current.block] || []));
    for (const heat of this.maps) heat.repaint();
    if (all) this.matrix.repaint(); else this.matrix.draw();
    this.thumbs.forEach((heat, i) => {
      if (!this.isText) heat.repaint();
      heat.canvas.parentElement.setAttribute('aria-pressed', i === this.layer);
    });
    $('layer-name').textContent = `${this.current.block} of 0 to ${this.blocks - 1}`;
    if (this.picture && this.shown.gates) {
      this.picture.hidden = !this.shown.picture;
      if (this.shown.picture && all) this.picture.src = this.shown.picture;
      this.caption.textContent = `${this.run.className(this.shown.label)}: ${verdict(this.run, this.shown)}`;
    }
    this.spans?.forEach((span, i) => {
      const t = this.byGate ? this.gate(i) / this.gateScale : this.weight(this.token, i);
      const hue = this.byGate ? '140, 80, 220' : t < 0 ? '53, 132, 212' : '218, 60, 60';
      span.style.background = `rgba(${hue}, ${Math.min(1, Math.abs(t)) * 0.75})`;
      span.classList.toggle('own', i === this.token);
    });
    $('token-readout').textContent = this.readout();
    this.showGuesses();
  }
  name(token) {
    if (!this.isText) return `${token} (row ${Math.floor(token / this.columns)}, column ${token % this.columns})`;
    const text = this.shown.tokens?.[token];
    return `${token}${text === undefined ? '' : ` \u201c${visible(text)}\u201d`}`;
  }
  readout() {
    const weight = (j) => this.current.at(this.token, j);
    let top = 0;
    for (let j = 1; j < this.n; ++j) if (Math.abs(weight(j)) > Math.abs(weight(top))) top = j;
    const other = this.other === undefined ? '' : `, ${signed(weight(this.other))} on ${this.name(this.other)}`;
    const gate = this.gate(this.token) === undefined ? '' : ` Gate ${short(this.gate(this.token), 3)}.`;
    return `Token ${this.name(this.token)}: strongest weight ${signed(weight(top))} on ${this.name(top)}, ` +
      `its own ${signed(weight(this.token))}${other}.${gate}`;
  }
  showGuesses() {
    const { masks } = this.shown;
    if (!masks) return;
    const mask = masks.find(({ at }) => at === this.token);
    $('guesses').replaceChildren(make('p', { class: 'hint' }, mask
      ? `Hidden here: \u201c${visible(mask.target)}\u201d. The model's candidates:`
      : 'Masked and replaced words are underlined: point at one for the model\'s candidates.'),
    bars((mask?.guesses || []).map(([word, p]) => [visible(word), p, share(p)])));
  }
}

function showInspector(run) {
  const { blocks = 0, layers = [], rows, columns } = run.inspector || {};
  $('inspector').hidden = blocks === 0;
  if (layers.length > 0) new Inspector(run);
  else $('inspector').replaceChildren(make('h2', {}, 'Inspector'), make('p', { class: 'hint' },
    `The spatial weights of ${rows * columns} tokens would not fit a page of 5 MB; filters.png shows them.`));
}

// ---- The texts that the log has of each validation.

function showTexts(run) {
  const samples = run.log.filter((line) => /^(written|filled) {2}/.test(line));
  if (samples.length === 0) return;
  const filled = samples[0].startsWith('filled');
  $('texts').hidden = false;
  $('texts-title').append(filled ? 'What the model filled in' : 'What the model wrote');
  $('texts-hint').append(filled ? '[word] was masked and found, [guess\u2260word] masked and missed.'
    : 'The gray beginning is from the validation text; the model wrote the rest.');
  const quotes = samples.map((line, i) => {
    const [, start, text] = (!filled && line.match(/^(.*?) \| (.*)$/s)) || ['', '', line];
    const bare = (part) => part.replace(/^(written|filled) +/, '').replaceAll('\\n', '\n');
    return make('blockquote', {}, make('small', {}, `Validation ${i + 1}`), make('b', {}, bare(start)), bare(text));
  }).reverse();
  $('texts').append(...quotes.slice(0, 2));
  if (quotes.length > 2) $('texts').append(fold('Earlier validations', make('div', {}, ...quotes.slice(2))));
}

showSummary();
showCurves();
if (only) for (const show of [showClasses, showMistakes, showInspector, showTexts]) show(only);
for (const section of document.querySelectorAll('main > section:not([hidden])')) {
  const title = section.querySelector('h2');
  if (title) $('contents').append(make('a', { href: `#${section.id}` }, title.textContent));
}
