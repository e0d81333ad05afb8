import { HarnessError } from '../../../harness/errors.ts';
import { heed } from '../../../harness/time/heed.ts';
import { CONTROL_ADDRESS, CONTROL_NAMESPACE } from '../fabric/fabric.ts';
import type { Launcher } from '../launcher/launcher.ts';
import { GatewayProcess } from './pod.ts';

/** The gateway of the control clients: on the client network, outside of all nodes, touched by no step. */
export class ControlGateway implements Disposable {
  private readonly process: GatewayProcess;

  private constructor(process: GatewayProcess) {
    this.process = process;
  }

  /** Resolves once it listens. @throws HarnessError when it ends instead, InterruptedError. */
  static start(launcher: Launcher, speed: number, signal?: AbortSignal): Promise<ControlGateway> {
    const listening = new Promise<ControlGateway>((resolve, reject) => {
      const process = new GatewayProcess(launcher, {
        namespace: CONTROL_NAMESPACE,
        address: CONTROL_ADDRESS,
        env: { VERSION: 'control', POD_NAME: 'control' },
        speed,
        started: () => resolve(new ControlGateway(process)),
        said() {},
        exited: (why) => reject(new HarnessError(`The control gateway ended: ${why}`)),
      });
    });
    return heed(listening, signal);
  }

  [Symbol.dispose](): void {
    this.process.signal('SIGKILL');
  }
}
