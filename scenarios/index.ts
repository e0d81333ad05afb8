import type { AxisName } from '../harness/contracts/axes.ts';
import type { Strategy } from '../harness/contracts/scenario.ts';
import { blueGreen } from './blue-green.ts';
import { handoff } from './handoff.ts';
import { hpa } from './hpa.ts';
import { ingressCanary } from './ingress-canary.ts';
import { ingressReload } from './ingress-reload.ts';
import { makeBeforeBreak } from './make-before-break.ts';
import { nodeChurn } from './node-churn.ts';
import { nodeDrain } from './node-drain.ts';
import { nodeFailure } from './node-failure.ts';
import { pacedDrain } from './paced-drain.ts';
import { policyChange } from './policy-change.ts';
import { readinessFail } from './readiness-fail.ts';
import { rollingUpdate } from './rolling-update.ts';
import { selectorFlip } from './selector-flip.ts';
import { serviceMesh } from './service-mesh.ts';
import { seventyThirty } from './seventy-thirty.ts';

const ALL: readonly Strategy[] = [
  rollingUpdate,
  selectorFlip,
  readinessFail,
  pacedDrain,
  makeBeforeBreak,
  blueGreen,
  ingressCanary,
  ingressReload,
  serviceMesh,
  handoff,
  seventyThirty,
  nodeChurn,
  nodeDrain,
  nodeFailure,
  policyChange,
  hpa,
];

/** The axes that only some strategies heed, with the names of these. */
export const HEEDERS: ReadonlyMap<AxisName, readonly string[]> = new Map(
  ALL.flatMap(({ heeds = [] }) => heeds).map((axis) => [
    axis,
    ALL.filter(({ heeds = [] }) => heeds.includes(axis)).map(({ name }) => name),
  ]),
);

/** Every strategy by name, in the order in which they are listed and compared; each knows what only others heed. */
export const STRATEGIES: Readonly<Record<string, Strategy>> = Object.fromEntries(
  ALL.map((strategy) => {
    const ignores = new Map([...HEEDERS].filter(([axis]) => !strategy.heeds?.includes(axis)));
    return [strategy.name, { ...strategy, ignores }];
  }),
);
