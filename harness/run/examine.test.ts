import { beforeAll, expect, test } from 'vitest';
import { PROVIDERS } from '../../clusters/index.ts';
import { seventyThirty } from '../../scenarios/seventy-thirty.ts';
import type { AxisTexts } from '../contracts/axes.ts';
import type { Diagnosis } from '../contracts/cluster.ts';
import { type DoctorReport, doctorText, examine } from './examine.ts';

const DIAGNOSIS: Diagnosis = {
  facts: { kubernetes: 'v1.22.8', dataplane: 'kube-proxy, iptables' },
  axes: { policy: 'Local', nodes: '3', proxy: 'iptables', kubernetes: '1.22' },
  doubts: ['the balancer is not known'],
};

function doctor(typed: AxisTexts): Promise<DoctorReport> {
  const { sim } = PROVIDERS;
  if (sim === undefined) throw new TypeError('the simulator is always there');
  const { signal } = new AbortController();
  return examine(DIAGNOSIS, {
    cluster: 'some',
    strategies: [seventyThirty],
    predictor: sim,
    typed: { clients: '300', ...typed },
    seed: 1,
    signal,
  });
}

let report: DoctorReport;
beforeAll(async () => {
  report = await doctor({});
});

test('the prediction is a simulated cell on the axes that were found', () => {
  const [cell, ...more] = report.predictions;
  expect(more).toEqual([]);
  expect(cell).toMatchObject({ evidence: 'modelled', clients: 300, unattributed: 0 });
  expect(cell?.axes).toMatchObject({ policy: 'Local', nodes: 3, kubernetes: '1.22' });
  expect(cell?.droppedShare).toBeGreaterThan(0.53);
  expect(cell?.droppedShare).toBeLessThan(0.8);
});

test('what was typed comes before what was found', async () => {
  const { predictions } = await doctor({ policy: 'Cluster', proxy: 'nftables', kubernetes: '1.36' });
  expect(predictions[0]?.axes).toMatchObject({ policy: 'Cluster', proxy: 'nftables', nodes: 3 });
  expect(predictions[0]?.dropped).toBe(0);
});

test('the text tells what was found, what is predicted, how to play it, and what is doubted', () => {
  const text = doctorText(report);
  expect(text).toMatch(/^some as it is\n {2}kubernetes {2}v1\.22\.8\n/);
  expect(text).toMatch(/seventy-thirty: 6\d(\.\d)? % of the connections are lost .* without a sign/);
  expect(text).toContain(
    '--cluster sim --policy Local --nodes 3 --proxy iptables --kubernetes 1.22 --clients 300',
  );
  expect(text).toMatch(/Doubts\n {2}the balancer is not known$/);
});

test('the report is plain data, so that it can be printed as JSON', () => {
  expect(JSON.parse(JSON.stringify(report))).toEqual(report);
});
