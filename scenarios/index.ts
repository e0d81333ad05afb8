import type { Strategy } from '../harness/scenario.ts';
import { readinessFail } from './readiness-fail.ts';
import { rollingUpdate } from './rolling-update.ts';
import { selectorFlip } from './selector-flip.ts';
import { seventyThirty } from './seventy-thirty.ts';

/** Every strategy by name, in the order in which they are listed and compared. */
export const STRATEGIES: Readonly<Record<string, Strategy>> = {
  'rolling-update': rollingUpdate,
  'selector-flip': selectorFlip,
  'readiness-fail': readinessFail,
  'seventy-thirty': seventyThirty,
};
