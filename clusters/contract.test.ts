import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import type { CellDocument } from '../harness/analyses/cell-document.ts';
import type { Capability, Preflight, Provider } from '../harness/contracts/cluster.ts';
import { PROVIDERS } from './index.ts';

/**
 * One suite for every cluster that can run here, through the very command that users type. Each difference found
 * between clusters becomes a line of this table first and is mended then.
 */
interface Contract {
  readonly promise: string;
  readonly arguments: readonly string[];
  /** Held only by clusters that offer this on this machine. */
  readonly needs?: Capability;
  keeps(cell: CellDocument): void;
}

const share = (low: number, high: number) => (cell: CellDocument) => {
  expect(cell.droppedShare).toBeGreaterThanOrEqual(low);
  expect(cell.droppedShare).toBeLessThanOrEqual(high);
};
const seventyThirty = (...more: string[]) => ['seventy-thirty', '--policy', 'Local', ...more];

/** 300 clients: five standard deviations of a share around 2/3 are 0.136. */
const ABOUT_TWO_THIRDS = share(0.53, 0.8);

/** A proxy ends each connection, once, so long after it has reloaded. */
function endsAll(cell: CellDocument, after: number): void {
  expect(cell).toMatchObject({ dropped: cell.clients, droppedTwice: 0, closed: 0, silent: 0 });
  expect(cell.collateral).toBe(cell.clients);
  // A kernel answers with a reset where the proxy had not read a client's last ping yet.
  expect(cell.fin + cell.reset).toBe(cell.clients);
  // nginx's clock (CLOCK_MONOTONIC_COARSE) moves in ticks, late ones on a busy machine, and workers take time to
  // start: where time is scaled, some milliseconds are a second.
  expect(cell.firstDropMillis).toBeGreaterThan(after - 2000);
  expect(cell.firstDropMillis).toBeLessThan(after + 30_000);
}

const CONTRACTS: readonly Contract[] = [
  {
    promise: 'a Service with Cluster policy that loses all its endpoints keeps every established connection',
    arguments: ['seventy-thirty', '--policy', 'Cluster'],
    keeps: (cell) => expect(cell.dropped).toBe(0),
  },
  {
    promise:
      'with Local policy about 1 - 1/3 hang without a sign, 17 to 26 seconds and a heartbeat after the flip',
    arguments: seventyThirty(),
    keeps(cell) {
      ABOUT_TWO_THIRDS(cell);
      expect(cell.silent).toBe(cell.dropped);
      const { heartbeat } = cell.axes;
      expect(cell.firstDropMillis).toBeGreaterThan(16_000 + heartbeat);
      // Clusters with scaled time add their own scheduling, hence some seconds of room.
      expect(cell.firstDropMillis).toBeLessThan(26_000 + heartbeat + 15_000);
    },
  },
  {
    promise: 'with two nodes about half are lost',
    arguments: seventyThirty('--nodes', '2'),
    keeps: share(0.35, 0.65),
  },
  {
    promise: 'a quick flip back heals all connections that hung',
    // The pool fails open 17 to 26 s after the flip and mends up to 9 s after the flip back. TCP's retransmissions
    // are not scaled with time, so the clock is slow enough, and the heartbeat long enough, for the next one to
    // come before the client gives up.
    arguments: seventyThirty('--rollback-after', '32s', '--heartbeat', '1m', '--speed', '20'),
    keeps(cell) {
      expect(cell.dropped).toBe(0);
      expect(cell.healed).toBeGreaterThan(0);
    },
  },
  {
    promise: 'without loose pick-up the same packets are invalid and the silence turns into resets',
    arguments: seventyThirty('--tcp-loose', '0'),
    keeps(cell) {
      ABOUT_TWO_THIRDS(cell);
      expect(cell.reset).toBe(cell.dropped);
    },
  },
  {
    promise: 'a pool that persists loses nothing',
    arguments: seventyThirty('--balancer', 'target-pool-persistent'),
    keeps: (cell) => expect(cell.dropped).toBe(0),
  },
  {
    promise: 'a backend service keeps the flows that speak',
    arguments: seventyThirty('--balancer', 'backend-service'),
    keeps: (cell) => expect(cell.dropped).toBe(0),
  },
  {
    promise: 'network endpoint groups drop a node without endpoints, and after their drain all its flows',
    arguments: seventyThirty('--balancer', 'backend-service-neg'),
    keeps: (cell) => expect(cell).toMatchObject({ dropped: cell.clients, reset: 0 }),
  },
  {
    promise: 'a balancer that resets what is on unhealthy nodes resets everything',
    arguments: seventyThirty('--balancer', 'nlb-instance'),
    keeps: (cell) => expect(cell).toMatchObject({ dropped: cell.clients, reset: cell.clients }),
  },
  {
    promise: 'a balancer that never moves held flows loses nothing though every probe fails',
    arguments: seventyThirty('--balancer', 'azure'),
    keeps: (cell) => expect(cell.dropped).toBe(0),
  },
  {
    promise: 'an address that nobody announces any more loses everything in silence',
    arguments: seventyThirty('--balancer', 'metallb-bgp'),
    keeps: (cell) => expect(cell).toMatchObject({ dropped: cell.clients, reset: 0 }),
  },
  {
    promise: 'the rules of 1.22 lose what the rules of today lose',
    arguments: seventyThirty('--kubernetes', '1.22'),
    keeps: ABOUT_TWO_THIRDS,
  },
  {
    promise: 'and so does nftables mode',
    arguments: seventyThirty('--proxy', 'nftables'),
    keeps: ABOUT_TWO_THIRDS,
  },
  {
    promise:
      'a selector flip with Cluster policy drops each client exactly once and none lands on v1 afterwards',
    arguments: ['selector-flip', '--policy', 'Cluster', '--drain-over', '1m', '--backoff', '1m'],
    keeps(cell) {
      expect(cell).toMatchObject({ dropped: cell.clients, droppedTwice: 0, landedOnOld: 0, collateral: 0 });
    },
  },
  {
    promise: 'pods that fail readiness on purpose keep their connections until they are retired',
    arguments: ['readiness-fail', '--policy', 'Cluster', '--drain-over', '1m', '--backoff', '1m'],
    keeps(cell) {
      expect(cell).toMatchObject({ dropped: cell.clients, droppedTwice: 0, landedOnOld: 0, collateral: 0 });
    },
  },
  {
    promise: 'a rolling update of several pods drops some clients twice, for they landed on old pods again',
    arguments: [
      'rolling-update',
      '--pods',
      '4',
      '--backoff',
      '10s',
      '--max-surge',
      '1',
      '--max-unavailable',
      '0',
    ],
    keeps(cell) {
      expect(cell.droppedTwice).toBeGreaterThan(0);
      expect(cell.landedOnOld).toBeGreaterThan(0);
    },
  },
  {
    promise:
      'a paced drain by application message asks each client once, and its peak stays near N / max(D, T)',
    arguments: [
      'paced-drain',
      '--policy',
      'Cluster',
      '--ask',
      'message',
      '--drain-over',
      '2m',
      '--backoff',
      '1m',
    ],
    keeps(cell) {
      expect(cell).toMatchObject({
        dropped: cell.clients,
        asked: cell.clients,
        droppedTwice: 0,
        landedOnOld: 0,
      });
      // Ten seconds of 2.5 a second on average: four standard deviations are 2 a second.
      expect(cell.peakReconnectsPer10Seconds).toBeLessThan(2 * (cell.theoreticalPeakPerSecond ?? 0));
    },
  },
  {
    promise:
      'a change of externalTrafficPolicy recreates the pool and moves the flows, which the pod then resets',
    arguments: ['policy-change', '--policy', 'Cluster'],
    keeps(cell) {
      // 2/3 by the hash; more where a new pool's first healthy node gets all flows for a while.
      share(0.53, 0.95)(cell);
      expect(cell.collateral).toBe(cell.dropped);
    },
  },
  {
    promise: 'make before break leaves nobody away, and every client ends on v2',
    arguments: ['make-before-break', '--policy', 'Cluster', '--drain-over', '1m'],
    keeps(cell) {
      expect(cell).toMatchObject({ dropped: 0, replacedConnections: cell.clients });
      expect(cell.allOnV2Millis).not.toBeNull();
    },
  },
  {
    promise: 'an upgrade of all nodes without the pod resets about 2/3 of its connections, endpoints kept',
    arguments: ['node-churn', '--policy', 'Cluster', '--churn', 'upgrade'],
    keeps(cell) {
      ABOUT_TWO_THIRDS(cell);
      expect(cell.reset).toBe(cell.dropped);
    },
  },
  {
    promise:
      'a drain evicts the pods of one node with a goodbye, and whoever only came through it is lost with the machine',
    needs: 'node-power',
    arguments: ['node-drain', '--policy', 'Cluster', '--pods', '3', '--backoff', '20s'],
    keeps(cell) {
      // A third was connected to the node's pod, of the others a third came through the node.
      share(0.4, 0.7)(cell);
      expect(cell.closed / cell.clients).toBeGreaterThan(0.22);
      expect(cell.closed / cell.clients).toBeLessThan(0.45);
      // Some come back through the very node while its machine is still there.
      expect(cell.droppedTwice / cell.clients).toBeLessThan(0.2);
    },
  },
  {
    promise: 'whoever cuts the grace of a pod kills it with its connections open, long before it has drained',
    needs: 'node-power',
    arguments: [
      'node-drain',
      ...['--by', 'spot', '--policy', 'Cluster', '--pods', '3', '--backoff', '20s'],
      ...['--grace', '10m', '--drain', 'paced', '--drain-over', '10m'],
    ],
    keeps(cell) {
      share(0.4, 0.7)(cell);
      // 15 of 600 seconds of a third.
      expect(cell.closed / cell.clients).toBeLessThan(0.05);
    },
  },
  {
    promise: 'a node without power says nothing: its clients hang, or meet a node that does not know them',
    needs: 'node-power',
    arguments: ['node-failure', '--policy', 'Local', '--pods', '3', '--backoff', '20s'],
    keeps(cell) {
      share(0.22, 0.45)(cell);
      expect(cell.silent + cell.reset).toBe(cell.dropped);
    },
  },
  {
    promise: 'blue/green by DNS drops each client once, and blue is never hashed again',
    arguments: [
      'blue-green',
      '--policy',
      'Local',
      '--switch-by',
      'balancer',
      '--drain-over',
      '1m',
      '--backoff',
      '1m',
    ],
    keeps(cell) {
      expect(cell).toMatchObject({ dropped: cell.clients, droppedTwice: 0, landedOnOld: 0, collateral: 0 });
    },
  },
  {
    promise: 'an Ingress that names another Service reloads nginx, which ends every WebSocket 240 s later',
    needs: 'ingress-nginx',
    arguments: ['ingress-canary', '--canary-steps', '100', '--canary-every', '5s', '--backoff', '1m'],
    keeps: (cell) => endsAll(cell, 240_000),
  },
  {
    promise:
      'canary weights and a promoted selector reload nothing: only the gateway itself ends connections',
    needs: 'ingress-nginx',
    arguments: [
      'ingress-canary',
      '--promote',
      'selector',
      '--canary-steps',
      '50-100',
      '--canary-every',
      '10s',
      '--drain-over',
      '1m',
      '--backoff',
      '1m',
    ],
    keeps(cell) {
      expect(cell).toMatchObject({ dropped: cell.clients, droppedTwice: 0, landedOnOld: 0, collateral: 0 });
      expect(cell.closed).toBe(cell.clients);
    },
  },
  {
    promise:
      "somebody else's Ingress reloads ingress-nginx, which ends every WebSocket 240 s later, but once for several",
    needs: 'ingress-nginx',
    arguments: ['ingress-reload', '--reloads', '3', '--reload-every', '10s', '--backoff', '1m'],
    keeps: (cell) => endsAll(cell, 240_000),
  },
  {
    promise: 'and HAProxy Ingress, which ends them 600 s later',
    needs: 'haproxy-ingress',
    arguments: ['ingress-reload', '--ingress', 'haproxy-ingress', '--backoff', '1m'],
    keeps: (cell) => endsAll(cell, 600_000),
  },
  {
    promise: 'an endpoint more is told to the running HAProxy, and costs nobody his connection',
    needs: 'haproxy-ingress',
    arguments: ['ingress-reload', '--ingress', 'haproxy-ingress', '--reload-by', 'endpoint'],
    keeps: (cell) => expect(cell.dropped).toBe(0),
  },
  {
    promise: 'NGINX Gateway Fabric reloads for each endpoint, but its old workers keep their connections',
    needs: 'nginx-gateway-fabric',
    arguments: ['ingress-reload', '--ingress', 'nginx-gateway-fabric', '--reload-by', 'endpoint'],
    keeps: (cell) => expect(cell.dropped).toBe(0),
  },
  ...['holder', 'worker'].map(
    (by): Contract => ({
      promise: `a hand-over by the ${by} moves every client to v2 and disconnects none`,
      needs: 'handoff',
      arguments: ['handoff', '--handoff-by', by, '--pods', '2', '--drain-over', '2m'],
      keeps(cell) {
        expect(cell).toMatchObject({ dropped: 0, rehomed: cell.clients, landedOnOld: 0 });
        expect(cell.allOnV2Millis).not.toBeNull();
      },
    }),
  ),
  {
    promise: 'an autoscaler by a Value metric deletes all but one of the pods that fail readiness on purpose',
    needs: 'autoscaler',
    arguments: [
      'hpa',
      '--hpa-during',
      'readiness-fail',
      '--hpa-metric',
      'connections-value',
      // Work of its own is for CPU; without it time runs at full speed.
      '--handshake-cpu',
      '0',
      '--message-cpu',
      '0',
      '--backoff',
      '1m',
    ],
    keeps(cell) {
      // Three of four pods, which the balancer fills by chance.
      share(0.6, 0.9)(cell);
      expect(cell).toMatchObject({ closed: cell.dropped, droppedTwice: 0, landedOnOld: 0, collateral: 0 });
      expect(cell.stillAway).toBe(0);
    },
  },
];

const scratch = mkdtempSync(join(tmpdir(), 'onedrop-contract-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const CLI = join(import.meta.dirname, '..', 'harness', 'cli', 'main.ts');

async function playOnce(
  { name }: Provider,
  { arguments: words }: Contract,
  place: number,
): Promise<CellDocument | { readonly refused: string }> {
  const out = join(scratch, `${name}-${place}`);
  const command = [
    CLI,
    'scenario',
    ...(SETUPS[name]?.words ?? []),
    // What a contract is about comes last, and so before what makes a cluster quicker.
    ...words,
    '--cluster',
    name,
    '--clients',
    '300',
    '--format',
    'json',
    '--no-predict',
    '--out',
    out,
  ];
  const { stdout } = await promisify(execFile)(process.execPath, command, { maxBuffer: 1 << 26 }).catch(
    (failure: { code: number; stdout: string; stderr: string }) => {
      // 1: the cell failed its criteria, which is what most of these cells are about; 2: it is unknown, or was refused.
      if (failure.code === 1 || failure.code === 2) return failure;
      throw new Error(`${command.slice(1).join(' ')} ended with ${failure.code}:\n${failure.stderr}`);
    },
  );
  const { cells, skipped } = JSON.parse(stdout) as { cells: CellDocument[]; skipped: { why: string }[] };
  const [[cell], [refused]] = [cells, skipped];
  if (cell === undefined && refused === undefined) throw new Error(`no cell in ${stdout}`);
  return cell ?? { refused: refused?.why ?? '' };
}

/** How the suite is run on a cluster that needs more than its name; real time is slow, so the first answers for all. */
interface Setup {
  readonly missing?: string;
  readonly words?: readonly string[];
  readonly slow?: true;
}

const NODE_IMAGE = process.env.ONEDROP_KIND_IMAGE;
const SETUPS: Readonly<Record<string, Setup>> = {
  sim: {},
  netns: {},
  // One kept cluster for all cells; about three minutes each.
  kind: {
    ...(NODE_IMAGE === undefined ? { missing: 'ONEDROP_KIND_IMAGE names no node image' } : {}),
    words: ['--node-image', NODE_IMAGE ?? '', '--keep', '--heartbeat', '10s', '--backoff', '20s'],
    slow: true,
  },
};

for (const [name, { missing, slow }] of Object.entries(SETUPS)) {
  const provider = PROVIDERS[name] as Provider;
  const preflight: Preflight =
    missing === undefined
      ? await provider.preflight()
      : { usable: false, missing: [{ what: missing, mend: '' }] };
  if (!preflight.usable)
    process.stdout.write(
      `contract suite: ${provider.name} is skipped: ${preflight.missing.map(({ what }) => what).join('; ')}\n`,
    );
  // Cells wait far more than they compute.
  describe.skipIf(!preflight.usable)(provider.name, { concurrent: slow === undefined }, () => {
    test.for(CONTRACTS.map((contract, place) => ({ ...contract, contract, place })))(
      '$promise',
      { timeout: slow ? 1_800_000 : 120_000 },
      async ({ contract, place }, { skip }) => {
        const { needs } = contract;
        skip(
          needs !== undefined && !provider.offers.has(needs),
          `${needs}: ${provider.lacks?.(needs as Capability)}`,
        );
        const cell = await playOnce(provider, contract, place);
        if ('refused' in cell) return skip(cell.refused);
        expect(cell.verdict, cell.why.join('; ')).not.toBe('unknown');
        expect(cell.controlDropped).toBe(0);
        if (provider.evidence === 'modelled') expect(cell.unattributed).toBe(0);
        contract.keeps(cell);
      },
    );
  });
}
