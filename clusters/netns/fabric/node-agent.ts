import { fileURLToPath } from 'node:url';
import { HarnessError } from '../../../harness/errors.ts';
import { heed } from '../../../harness/time/heed.ts';
import type { NodeRules } from '../../control-plane/kube-proxy/rules.ts';
import type { LaunchedProcess, Launcher } from '../launcher/launcher.ts';
import type { AgentReport, Order } from './node-agent.main.ts';

const PROGRAM = fileURLToPath(new URL('./node-agent.main.ts', import.meta.url));

/** What an agent tells of its node and of itself. */
interface Told {
  counted(values: Readonly<Record<string, number>>): void;
  /** The worst lag of its event loop since it last told, in real milliseconds. */
  lagged(lag: number): void;
  /** It has ended, and nobody had asked it to: from here on its node answers no health check. */
  died(why: string): void;
}

/** A process in one node's namespace that answers its health checks and reports its counters. */
export class NodeAgent implements Disposable {
  private readonly node: string;
  private readonly process: LaunchedProcess;
  private readonly waiting = new Map<number, { resolve(): void; reject(error: Error): void }>();
  private orders = 0;
  private gone = false;

  private readonly told: Told;

  private constructor(launcher: Launcher, node: string, told: Told) {
    this.node = node;
    this.told = told;
    this.process = launcher.start(node, process.execPath, [PROGRAM], process.env, {
      line: (text) => {
        const report = JSON.parse(text) as AgentReport;
        if (report.type === 'counters') told.counted(report.values);
        else if (report.type === 'lag') told.lagged(report.lag);
        else if (report.type === 'ready') this.settle(0);
        else this.settle(report.id, report.error);
      },
      ended: (why) => this.ended(why),
    });
  }

  /** Resolves once the process takes orders. @throws HarnessError when it ends before that, InterruptedError. */
  static async start(launcher: Launcher, node: string, told: Told, signal?: AbortSignal): Promise<NodeAgent> {
    const agent = new NodeAgent(launcher, node, told);
    const ready = new Promise<void>((resolve, reject) => agent.waiting.set(0, { resolve, reject }));
    await heed(ready, signal).catch((error) => {
      agent[Symbol.dispose]();
      throw error;
    });
    return agent;
  }

  /** Resolves once the node answers on exactly these ports. @throws HarnessError when it cannot. */
  answer({ health, rules }: Pick<NodeRules, 'health' | 'rules'>): Promise<void> {
    if (this.gone) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const order: Order = {
        id: ++this.orders,
        health,
        iptables: rules.mode === 'iptables',
      };
      this.waiting.set(order.id, { resolve, reject });
      this.process.write(`${JSON.stringify(order)}\n`);
    });
  }

  [Symbol.dispose](): void {
    this.gone = true;
    this.process.signal('SIGKILL');
  }

  private settle(id: number, error?: string): void {
    const waiter = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) waiter?.resolve();
    else waiter?.reject(new HarnessError(`The health answers of ${this.node} could not be set up: ${error}`));
  }

  private ended(why: string): void {
    // Whoever still waits for a node that was taken away waits for nothing.
    for (const id of [...this.waiting.keys()])
      this.settle(id, this.gone ? undefined : `its helper ended (${why})`);
    if (!this.gone) this.told.died(why);
    this.gone = true;
  }
}
