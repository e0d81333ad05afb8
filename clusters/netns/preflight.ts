import type { Preflight } from '../../harness/contracts/cluster.ts';
import { CommandError, command } from '../command.ts';
import { isInside, unshareArguments } from './launcher/inside.ts';
import { tooFewDescriptors } from './limits.ts';

const TOOLS = [
  ['ip', '-V'],
  ['nft', '--version'],
  ['iptables-restore', '--version'],
  ['unshare', '--version'],
  ['setpriv', '--version'],
  ['nsenter', '--version'],
] as const;

const INSTALL = 'apt-get install -y iproute2 nftables iptables util-linux';

/** Whether this machine has the tools and allows namespaces; if not, what is missing and what mends it. */
export async function preflight(): Promise<Preflight> {
  if (process.platform !== 'linux')
    return unusable('needs the Linux kernel', 'run it on Linux, or choose --cluster sim');
  const missing: string[] = [];
  for (const [tool, question] of TOOLS) if (!(await works(tool, question))) missing.push(tool);
  if (missing.length > 0) return unusable(`${missing.join(', ')} not found`, INSTALL);
  const tooFew = tooFewDescriptors();
  if (tooFew !== undefined) return { usable: false, missing: [tooFew] };
  if (isInside()) return { usable: true, notes: [] };
  try {
    const unshare = await unshareArguments();
    const notes = unshare.includes('--user')
      ? []
      : ['user namespaces are closed here; running as root without one'];
    return { usable: true, notes };
  } catch (error) {
    const why = error instanceof CommandError ? error.stderr.trim() : String(error);
    return unusable(
      `namespaces are not allowed (${why})`,
      'run it as root, allow them with `sysctl -w kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0`, or start the container with `--privileged`',
    );
  }
}

const unusable = (what: string, mend: string): Preflight => ({ usable: false, missing: [{ what, mend }] });

async function works(tool: string, question: string): Promise<boolean> {
  try {
    await command(tool, [question]);
    return true;
  } catch {
    return false;
  }
}
