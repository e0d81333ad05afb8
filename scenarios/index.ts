import type { Strategy } from '../harness/contracts/scenario.ts';
import { blueGreen } from './blue-green.ts';
import { handoff } from './handoff.ts';
import { hpa } from './hpa.ts';
import { ingressCanary } from './ingress-canary.ts';
import { makeBeforeBreak } from './make-before-break.ts';
import { nodeChurn } from './node-churn.ts';
import { pacedDrain } from './paced-drain.ts';
import { policyChange } from './policy-change.ts';
import { readinessFail } from './readiness-fail.ts';
import { rollingUpdate } from './rolling-update.ts';
import { selectorFlip } from './selector-flip.ts';
import { serviceMesh } from './service-mesh.ts';
import { seventyThirty } from './seventy-thirty.ts';

/** Every strategy by name, in the order in which they are listed and compared. */
export const STRATEGIES: Readonly<Record<string, Strategy>> = {
  'rolling-update': rollingUpdate,
  'selector-flip': selectorFlip,
  'readiness-fail': readinessFail,
  'paced-drain': pacedDrain,
  'make-before-break': makeBeforeBreak,
  'blue-green': blueGreen,
  'ingress-canary': ingressCanary,
  'service-mesh': serviceMesh,
  handoff,
  'seventy-thirty': seventyThirty,
  'node-churn': nodeChurn,
  'policy-change': policyChange,
  hpa,
};
