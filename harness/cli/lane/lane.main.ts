import { PROVIDERS } from '../../../clusters/index.ts';
import { STRATEGIES } from '../../../scenarios/index.ts';
import { InterruptedError } from '../../errors.ts';
import { play } from '../../run/play.ts';
import type { Request, Told } from './lane.ts';

/** A lane: plays the cell that it is asked to, in the namespaces that it was started in, and ends. See `playInLane`. */
const controller = new AbortController();

process.on('message', (request: Request) => {
  if ('interrupted' in request) controller.abort(new InterruptedError(request.interrupted));
  else perform(request);
});
// Whoever it plays for is gone, and so is everything here soon.
process.on('disconnect', () => process.exit(0));

async function perform({ cell, strategy, provider, options }: Exclude<Request, { interrupted: string }>) {
  const known = { strategy: STRATEGIES[strategy], provider: PROVIDERS[provider] };
  if (known.strategy === undefined || known.provider === undefined)
    throw new Error(`no strategy ${strategy} or no cluster ${provider} here`);
  const { outcome, error } = await play(
    { ...cell, strategy: known.strategy, provider: known.provider },
    {
      ...options,
      signal: controller.signal,
      record: (event) => tell({ event }),
      audience: { watch: (status) => tell({ status }) },
    },
  );
  tell({ played: { outcome, ...(error === undefined ? {} : { error: error.message }) } }, () =>
    process.exit(0),
  );
}

function tell(told: Told, done: () => void = () => {}): void {
  if (process.connected) process.send?.(told, undefined, undefined, done);
}
