import { createCanvas } from '@napi-rs/canvas';
import type { ChartConfiguration, ChartItem } from 'chart.js';
import { Chart } from 'chart.js/auto';
import { chartConfig, THEMES } from './chart-config.js';
import type { ChartSpec } from './chart-spec.ts';

const WIDTH = 1000;
const HEIGHT = 420;
const FAMILY = 'system-ui, sans-serif';

/** A picture has no page behind it. */
const background = {
  id: 'background',
  beforeDraw({ ctx }: Chart) {
    ctx.save();
    ctx.fillStyle = THEMES.light.surface;
    ctx.fillRect(0, 0, WIDTH, HEIGHT);
    ctx.restore();
  },
};

/** Draws a chart into a PNG of 2000 x 840 pixels, light, through the same configuration as the page. */
export function renderPng(spec: ChartSpec): Buffer {
  const config = chartConfig(spec, THEMES.light);
  const options = {
    ...config.options,
    // A page sizes its charts and says their title in its own words; a picture has to do both, at once.
    animation: false,
    responsive: false,
    devicePixelRatio: 2,
    layout: { padding: { top: 8, right: 16, bottom: 8, left: 8 } },
    plugins: {
      ...config.options?.plugins,
      title: {
        display: true,
        text: spec.title,
        align: 'start',
        color: THEMES.light.text,
        font: { size: 16, weight: 'bold', family: FAMILY },
      },
      subtitle: {
        display: true,
        text: spec.summary,
        align: 'start',
        color: THEMES.light.faint,
        font: { size: 12, family: FAMILY },
        padding: { bottom: 20 },
      },
    },
  };
  const canvas = createCanvas(WIDTH, HEIGHT);
  const drawn = { ...config, options, plugins: [background] } as ChartConfiguration;
  const chart = new Chart(canvas as object as ChartItem, drawn);
  try {
    return canvas.toBuffer('image/png');
  } finally {
    chart.destroy();
  }
}
