import type { AnnouncedReleases } from '../releases.ts';
import type { Standing } from './standing.ts';

/** What is answered at a gate: 200 lets the pipeline go on, everything else holds or ends it. */
export interface GateAnswer {
  readonly status: 200 | 202 | 400 | 403 | 404 | 409;
  readonly says: string;
}

const go = (says: string): GateAnswer => ({ status: 200, says });
const hold = (says: string): GateAnswer => ({ status: 403, says });

/**
 * Answers whoever releases. `/begin` and `/end` announce a release; the others are Flagger's webhooks by their types
 * (docs.flagger.app/usage/webhooks): a status of 2xx goes on, and of `rollback` rolls back. Undefined: no such gate.
 * `releases` is undefined where something else says when a release is.
 */
export function gate(
  path: string,
  body: Readonly<Record<string, unknown>>,
  standing: Standing,
  releases: AnnouncedReleases | undefined,
): GateAnswer | undefined {
  const { verdict, why, state } = standing.document();
  const words = `${verdict}: ${why.join('; ')}`;
  switch (path) {
    case '/begin':
    case '/gate/pre-rollout':
      return begin(body, state, releases, path === '/begin' ? 202 : 200);
    case '/end':
    case '/gate/post-rollout':
      return end(body, releases, path === '/end' ? 202 : 200);
    case '/gate/confirm-rollout':
    case '/gate/confirm-traffic-increase':
      return state === 'connecting' || state === 'calm'
        ? hold(`the clients are not there yet: ${state}`)
        : verdict === 'fail'
          ? hold(words)
          : go(words);
    case '/gate/rollout':
      return verdict === 'fail' ? hold(words) : go(words);
    case '/gate/confirm-promotion':
      return verdict === 'pass' ? go(words) : hold(words);
    case '/gate/rollback':
      return verdict === 'fail' ? go(`roll back: ${words}`) : hold(`no reason to roll back: ${words}`);
    case '/gate/event':
      return go('noted');
    default:
      return undefined;
  }
}

const NO_GATE: GateAnswer = {
  status: 409,
  says: 'something else says when a release is; --gate lets this do',
};

function begin(
  body: Readonly<Record<string, unknown>>,
  state: string,
  releases: AnnouncedReleases | undefined,
  status: 200 | 202,
): GateAnswer {
  if (releases === undefined) return NO_GATE;
  if (state === 'connecting' || state === 'calm')
    return { status: 409, says: `the clients are not there yet: ${state}` };
  const name = typeof body.name === 'string' && body.name !== '' ? body.name.slice(0, 200) : 'release';
  return releases.begin(name)
    ? { status, says: `${name} has begun` }
    : { status: 409, says: 'a release is under way already' };
}

function end(
  { failed }: Readonly<Record<string, unknown>>,
  releases: AnnouncedReleases | undefined,
  status: 200 | 202,
): GateAnswer {
  if (releases === undefined) return NO_GATE;
  const ended = releases.end(typeof failed === 'string' ? { failed: failed.slice(0, 500) } : {});
  return ended ? { status, says: 'the release is over' } : { status: 409, says: 'no release is under way' };
}
