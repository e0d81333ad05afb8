import { visible } from '../../reports/words/plain-text.js';

/** What the program ends with: the verdict of what was played, or why nothing can be said. */
export const EXIT = { pass: 0, fail: 1, unknown: 2, usage: 64, broken: 70 } as const;

/** What asks a run to end in order: Ctrl-C, whoever manages it, and the terminal that is closed. */
export const INTERRUPTS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Nothing that is printed can steer the terminal, whatever a gateway or a stored log had to say. */
export const print = (text: string): void => void process.stdout.write(`${visible(text)}\n`);

export const say = (text: string): void => void process.stderr.write(`${visible(text)}\n`);
