import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { defaultResource, detectResources, envDetector } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import type { Sample, WatchMetrics } from './metrics.ts';

/** Whether OpenTelemetry's usual environment says where metrics go. */
export const wantsOtlp = (env: NodeJS.ProcessEnv): boolean =>
  env.OTEL_SDK_DISABLED !== 'true' &&
  env.OTEL_METRICS_EXPORTER !== 'none' &&
  Boolean(env.OTEL_EXPORTER_OTLP_METRICS_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT);

/** How often metrics are sent, in real milliseconds, unless OTEL_METRIC_EXPORT_INTERVAL says. */
const EVERY = 10_000;

/**
 * Sends the metrics of a watch by OTLP/HTTP; where to, with which headers and time-out, the exporter reads from its own
 * environment. What cannot be sent is not, and the watch goes on. Disposing sends the last.
 */
export function sendOtlp(metrics: WatchMetrics, env: NodeJS.ProcessEnv): AsyncDisposable {
  const interval = Number(env.OTEL_METRIC_EXPORT_INTERVAL ?? EVERY);
  const reader = new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter(),
    exportIntervalMillis: interval,
    exportTimeoutMillis: Math.min(interval, 5000),
  });
  const named = detectResources({ detectors: [envDetector] });
  const provider = new MeterProvider({ readers: [reader], resource: defaultResource().merge(named) });
  const meter = provider.getMeter('onedrop');
  const gauge = (name: string, description: string, samples: () => readonly Sample[]) =>
    meter.createObservableGauge(`onedrop.${name}`, { description }).addCallback((result) => {
      for (const { labels, value } of samples()) result.observe(value, labels);
    });
  gauge('clients', 'Simulated clients by state.', () => metrics.states());
  gauge('connections', 'Open connections by version.', () => metrics.open());
  gauge('drops', 'Disconnects since the release began, by cause and how they showed.', () => metrics.drops());
  gauge('clients.dropped', 'Clients by how often they were dropped.', () => metrics.times());
  const handshake = meter.createHistogram('onedrop.handshake', {
    unit: 's',
    description: 'From dialling to the greeting.',
  });
  const away = meter.createHistogram('onedrop.away', {
    unit: 's',
    description: 'From the last answer to the next connection.',
  });
  metrics.also({
    handshake: (seconds) => handshake.record(seconds),
    away: (seconds) => away.record(seconds),
  });
  return {
    async [Symbol.asyncDispose]() {
      await provider.shutdown({ timeoutMillis: 5000 }).catch(() => {});
    },
  };
}
