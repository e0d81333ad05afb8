// Draws a ChartSpec: the page inlines this file as it is, the PNG charts import it. No imports, nothing of the browser.

const ROLES = {
  light: {
    v1: '#8c95a4',
    v2: '#2f6fd0',
    other: '#6b5bb3',
    away: '#d9534a',
    silent: '#7d1f2a',
    disconnects: '#c8402f',
    reconnects: '#2f6fd0',
    refused: '#b27a00',
    theory: '#6b5bb3',
    neutral: '#5a6b85',
  },
  dark: {
    v1: '#8a94a6',
    v2: '#6ea3f5',
    other: '#a597ea',
    away: '#ef7a6d',
    silent: '#c2455a',
    disconnects: '#f0796b',
    reconnects: '#6ea3f5',
    refused: '#e0ab3f',
    theory: '#b7abf0',
    neutral: '#93a4bf',
  },
};

export const THEMES = {
  light: {
    text: '#1c2430',
    faint: '#5b6675',
    grid: '#e3e7ed',
    surface: '#ffffff',
    roles: ROLES.light,
    bands: {
      release: 'rgba(90,107,133,0.09)',
      'cut-over': 'rgba(47,111,208,0.13)',
      rollback: 'rgba(107,91,179,0.13)',
      fault: 'rgba(200,64,47,0.14)',
    },
    rims: { release: '#8c95a4', 'cut-over': '#2f6fd0', rollback: '#6b5bb3', fault: '#c8402f' },
    palette: ['#2f6fd0', '#c8402f', '#2c8a5f', '#b27a00', '#6b5bb3', '#1d8aa0', '#a0457f', '#6d7683'],
  },
  dark: {
    text: '#e4e9f0',
    faint: '#9aa6b6',
    grid: '#2c3440',
    surface: '#171c23',
    roles: ROLES.dark,
    bands: {
      release: 'rgba(147,164,191,0.12)',
      'cut-over': 'rgba(110,163,245,0.18)',
      rollback: 'rgba(165,151,234,0.18)',
      fault: 'rgba(240,121,107,0.20)',
    },
    rims: { release: '#8a94a6', 'cut-over': '#6ea3f5', rollback: '#a597ea', fault: '#f0796b' },
    palette: ['#6ea3f5', '#f0796b', '#5fc596', '#e0ab3f', '#a597ea', '#4fc0d6', '#dd82bb', '#a4adba'],
  },
};

/** Seconds as a person would write them: 45s, 2m, 2m30s, 1h10m. */
export function formatSeconds(seconds) {
  const sign = seconds < 0 ? '−' : '';
  const whole = Math.round(Math.abs(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const text = `${hours ? `${hours}h` : ''}${minutes ? `${minutes}m` : ''}${rest || whole === 0 ? `${rest}s` : ''}`;
  return sign + text;
}

/** Ticks at multiples that people read time in, 0 among them. */
export function roundTicks(first, last, most) {
  const step = tickStep(last - first, most);
  const ticks = [];
  for (let value = Math.ceil(first / step) * step; value <= last; value += step) ticks.push(value);
  return ticks;
}

function tickStep(span, most) {
  const steps = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
  return steps.find((step) => span / step <= most) ?? 14400;
}

/** The steps behind the lines: a tint from begin to end, a hairline and the step's number at its begin. */
function bandsPlugin(bands, theme, small, stacked) {
  return {
    id: 'steps',
    // Areas would hide what is behind them.
    [stacked ? 'afterDatasetsDraw' : 'beforeDatasetsDraw']({ ctx, chartArea, scales }) {
      const { top, bottom, left, right } = chartArea;
      ctx.save();
      let free = left;
      for (const { from, to, tag, kind } of bands) {
        const begin = Math.max(left, scales.x.getPixelForValue(from));
        const end = Math.min(right, Math.max(begin + 1.5, scales.x.getPixelForValue(to)));
        if (begin > right || end < left) continue;
        ctx.fillStyle = theme.bands[kind];
        // Over areas a tint would change their colours: there only a rim tells the step.
        if (stacked) ctx.fillStyle = theme.rims[kind];
        ctx.fillRect(begin, top - (stacked ? 4 : 0), end - begin, stacked ? 4 : bottom - top);
        ctx.fillStyle = stacked ? theme.text : theme.faint;
        ctx.fillRect(begin, top, 1, bottom - top);
        if (small) continue;
        ctx.font = '600 11px system-ui, sans-serif';
        ctx.textBaseline = 'bottom';
        // Steps that begin together would print their numbers over each other.
        const place = Math.max(begin + 2, free);
        ctx.fillStyle = theme.faint;
        ctx.fillText(tag, place, top - (stacked ? 5 : 2));
        free = place + ctx.measureText(tag).width + 5;
      }
      ctx.restore();
    },
  };
}

/** Dashed horizontal lines with their label, such as the storm that theory expects. */
function marksPlugin(marks, theme, small) {
  return {
    id: 'marks',
    afterDatasetsDraw({ ctx, chartArea, scales }) {
      for (const { y, label } of marks) {
        const height = scales.y.getPixelForValue(y);
        ctx.save();
        ctx.strokeStyle = theme.roles.theory;
        ctx.fillStyle = theme.roles.theory;
        ctx.setLineDash([6, 4]);
        ctx.lineWidth = 1.5;
        ctx.beginPath();
        ctx.moveTo(chartArea.left, height);
        ctx.lineTo(chartArea.right, height);
        ctx.stroke();
        if (!small) {
          ctx.font = '11px system-ui, sans-serif';
          ctx.textAlign = 'right';
          const above = height - chartArea.top > 16;
          ctx.textBaseline = above ? 'bottom' : 'top';
          const width = ctx.measureText(label).width;
          ctx.save();
          ctx.globalAlpha = 0.85;
          ctx.fillStyle = theme.surface;
          ctx.fillRect(chartArea.right - width - 7, height + (above ? -17 : 2), width + 6, 15);
          ctx.restore();
          ctx.fillText(label, chartArea.right - 4, height + (above ? -3 : 3));
        }
        ctx.restore();
      }
    },
  };
}

function dataset(series, index, spec, theme) {
  const color =
    series.role === 'other' && spec.kind === 'lines'
      ? theme.palette[index % theme.palette.length]
      : theme.roles[series.role];
  if (spec.kind === 'bars')
    return {
      label: series.label,
      data: series.values,
      backgroundColor: color,
      barPercentage: 1,
      categoryPercentage: 0.94,
    };
  const stacked = spec.kind === 'stacked';
  return {
    label: series.label,
    data: series.values.map((y, point) => ({ x: spec.x[point], y })),
    borderColor: color,
    backgroundColor: stacked ? color : undefined,
    borderWidth: stacked ? 0 : 1.6,
    borderDash: series.role === 'refused' ? [3, 3] : [],
    fill: stacked ? (index === 0 ? 'origin' : '-1') : false,
    stepped: stacked ? 'before' : false,
    pointRadius: 0,
    pointHitRadius: 8,
  };
}

export function chartConfig(spec, theme, { small = false } = {}) {
  const bars = spec.kind === 'bars';
  const stacked = spec.kind === 'stacked';
  const first = bars ? 0 : spec.x[0];
  const last = bars ? 0 : spec.x[spec.x.length - 1];
  const font = { size: small ? 10 : 11.5, family: 'system-ui, sans-serif' };
  const integer = (value) => (Number.isInteger(value) ? value.toLocaleString('en-US') : '');
  const title = (text) => ({ display: !small, text, color: theme.faint, font });
  const most = Math.max(0, ...spec.series.flatMap(({ values }) => values), ...spec.marks.map(({ y }) => y));
  return {
    type: bars ? 'bar' : 'line',
    data: {
      ...(bars ? { labels: spec.x } : {}),
      datasets: spec.series.map((series, index) => dataset(series, index, spec, theme)),
    },
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      parsing: bars ? undefined : false,
      normalized: true,
      interaction: { mode: 'index', intersect: false },
      layout: { padding: { top: small ? 5 : 18 } },
      scales: {
        x: {
          ...(bars ? {} : { type: 'linear', min: first, max: last }),
          title: title(spec.xTitle),
          grid: { display: false },
          border: { color: theme.grid },
          ...(bars
            ? {}
            : {
                afterBuildTicks: (axis) => {
                  axis.ticks = roundTicks(first, last, small ? 5 : 10).map((value) => ({ value }));
                },
              }),
          ticks: {
            color: theme.faint,
            font,
            maxRotation: 0,
            autoSkip: true,
            autoSkipPadding: 12,
            ...(bars ? {} : { callback: (value) => formatSeconds(value) }),
          },
        },
        y: {
          beginAtZero: true,
          stacked,
          title: title(spec.yTitle),
          grid: { color: theme.grid },
          border: { display: false },
          ...(stacked ? {} : { suggestedMax: most * 1.08 || 1 }),
          ticks: { color: theme.faint, font, maxTicksLimit: small ? 4 : 7, callback: integer },
        },
      },
      plugins: {
        legend: {
          display: !small && spec.series.length > 1,
          position: 'bottom',
          labels: { color: theme.text, font, boxWidth: 12, boxHeight: stacked ? 12 : 2 },
        },
        tooltip: {
          enabled: true,
          callbacks: bars
            ? {}
            : {
                title: (items) =>
                  items[0] ? `${formatSeconds(items[0].parsed.x)} after the release began` : '',
              },
        },
      },
    },
    plugins: [bandsPlugin(spec.bands, theme, small, stacked), marksPlugin(spec.marks, theme, small)],
  };
}
