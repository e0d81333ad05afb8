import { PROVIDERS } from '../../clusters/index.ts';
import { addMistakes, UsageError } from '../errors.ts';
import { doctorText, examine } from '../run/examine.ts';
import { readAxes } from '../run/plan.ts';
import { chooseStrategies } from './choose.ts';
import { print } from './exit.ts';
import { axisTexts, configured, type ScenarioOptions } from './options.ts';
import { runNumbers } from './plan-run.ts';

/** What is predicted for the cluster that it finds. */
const EXAMINED = ['selector-flip', 'seventy-thirty'];

/** `onedrop doctor`: the one-minute check of a cluster that is there already, and what the simulator predicts for flips on it. */
export async function doctor(names: readonly string[], options: ScenarioOptions): Promise<void> {
  const { cluster, namespace, service, ...typed } = options;
  const mistakes: string[] = [];
  if (names.some((name) => name !== 'doctor'))
    mistakes.push('doctor: is asked for alone, without strategies');
  const { seed } = runNumbers(options, mistakes);
  readAxes(axisTexts(options), mistakes);
  const able = Object.values(PROVIDERS).filter(({ diagnose }) => diagnose !== undefined);
  // Of those that can be looked at there is one that any kubeconfig reaches.
  const provider = cluster === 'auto' ? able[0] : able.find(({ name }) => name === cluster);
  const { sim } = PROVIDERS;
  if (provider === undefined || sim === undefined) {
    const others = able.map(({ name }) => name).join(', ');
    throw new UsageError([
      ...mistakes,
      `doctor --cluster ${cluster}: looks at a cluster that is there already; choose ${others} (kind and GKE clusters have a kubeconfig)`,
    ]);
  }
  let chosen = provider;
  try {
    chosen = configured(provider, typed);
  } catch (error) {
    addMistakes(mistakes, error);
  }
  if (mistakes.length > 0) throw new UsageError(mistakes);
  const preflight = await chosen.preflight();
  if (!preflight.usable)
    throw new UsageError(
      preflight.missing.map(({ what, mend }) => `--cluster ${provider.name}: ${what}; ${mend}`),
    );
  const diagnosis = await chosen.diagnose?.({
    ...(namespace === undefined ? {} : { namespace }),
    ...(service === undefined ? {} : { service }),
  });
  if (diagnosis === undefined) return;
  const report = await examine(diagnosis, {
    cluster: provider.name,
    strategies: chooseStrategies(EXAMINED, mistakes),
    predictor: sim,
    typed: axisTexts(options),
    seed,
    signal: new AbortController().signal,
  });
  print(options.format === 'json' ? JSON.stringify(report, null, 2) : doctorText(report));
}
