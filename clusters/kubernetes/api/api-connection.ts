import type {
  KubeConfig,
  RequestContext,
  ResponseContext,
  SecurityAuthentication,
} from '@kubernetes/client-node';
import { HttpMethod, IsomorphicFetchHttpLibrary, RequestContext as Request } from '@kubernetes/client-node';
import { InterruptedError, KubeError } from '../../../harness/errors.ts';
import type { Clock } from '../../../harness/time/clock.ts';
import type { Millis } from '../../../harness/time/duration.ts';

/** Waits between attempts while the API server cannot be reached or says that it is too busy. */
const RETRY_AFTER: readonly Millis[] = [200, 500, 1000, 2000, 4000];
const TOO_BUSY: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly contentType?: string;
  /** For requests that must not be sent twice. */
  readonly once?: boolean;
}

/** GET on an API server, such as ApiConnection's `request`. */
export type Get = (path: string, query?: Readonly<Record<string, string>>) => Promise<string>;

/** One API server and the credentials for it: plain requests, retries, and errors in one shape. */
export class ApiConnection implements SecurityAuthentication {
  readonly config: KubeConfig;
  readonly server: string;
  private readonly clock: Clock;
  private readonly signal: AbortSignal | undefined;
  private dispatcher: ReturnType<RequestContext['getDispatcher']>;

  /**
   * Once `signal` is aborted, whatever is under way or asked for ends with InterruptedError.
   * @throws KubeError when the kubeconfig has no current context.
   */
  constructor(config: KubeConfig, clock: Clock, signal?: AbortSignal) {
    this.config = config;
    this.clock = clock;
    this.signal = signal;
    const cluster = config.getCurrentCluster();
    if (cluster === null)
      throw new KubeError(
        'Unauthorized',
        'the kubeconfig has no current context; choose one with kubectl config use-context',
      );
    this.server = cluster.server;
  }

  /** The same server for clean-up, which goes on after the run was asked to end. */
  deaf(): ApiConnection {
    return this.signal === undefined ? this : new ApiConnection(this.config, this.clock);
  }

  getName(): string {
    return 'kubeconfig';
  }

  /** The kubeconfig's own credentials, over one set of connections: the library would make new ones for each request. */
  async applySecurityAuthentication(context: RequestContext): Promise<void> {
    await this.config.applySecurityAuthentication(context);
    this.dispatcher ??= context.getDispatcher();
    if (this.dispatcher !== undefined) context.setDispatcher(this.dispatcher);
    const { signal } = this;
    if (signal !== undefined && context.getSignal() === undefined) context.setSignal(signal);
  }

  /** One HTTP request for what is no object: discovery, subresources, logs, proxies. @throws KubeError. */
  request(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    { query = {}, body, contentType = 'application/json', once = false }: RequestOptions = {},
  ): Promise<string> {
    const send = async () => {
      const request = this.prepare(method, path, query);
      if (body !== undefined) request.setBody(body);
      request.setHeaderParam('Content-Type', contentType);
      return (await this.send(request)).body.text();
    };
    return once ? this.only(send) : this.attempt(send);
  }

  /** Reads a response that goes on, such as a followed log, line by line until it ends or `signal` is aborted. */
  async lines(
    path: string,
    query: Readonly<Record<string, string>>,
    line: (text: string) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const request = this.prepare('GET', path, query);
    request.setSignal(signal);
    const { body } = await this.send(request);
    const stream = body.stream();
    if (stream === null) return;
    const text = (stream as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream());
    let rest = '';
    for await (const chunk of text) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const one of lines) line(one);
    }
    if (rest !== '') line(rest);
  }

  private prepare(
    method: keyof typeof HttpMethod,
    path: string,
    query: Readonly<Record<string, string>>,
  ): Request {
    const request = new Request(`${this.server}${path}`, HttpMethod[method] as HttpMethod);
    for (const [name, value] of Object.entries(query)) request.setQueryParam(name, value);
    return request;
  }

  private async send(request: Request): Promise<ResponseContext> {
    await this.applySecurityAuthentication(request);
    const response = await new IsomorphicFetchHttpLibrary().send(request).toPromise();
    if (response.httpStatusCode >= 300)
      throw refusal(
        response.httpStatusCode,
        await response.body.text(),
        `${request.getHttpMethod()} ${new URL(request.getUrl()).pathname}`,
      );
    return response;
  }

  /** Does `send` again while the server is not there or too busy; for what may be repeated. @throws KubeError, InterruptedError. */
  async attempt<T>(send: () => Promise<T>): Promise<T> {
    for (const wait of RETRY_AFTER) {
      try {
        return await send();
      } catch (error) {
        if (this.signal?.aborted) throw new InterruptedError('interrupted');
        if (!isTransient(error)) throw asKubeError(error);
        await this.clock.sleep(wait, this.signal);
      }
    }
    return this.only(send);
  }

  /** Does `send` this one time. @throws KubeError. */
  private async only<T>(send: () => Promise<T>): Promise<T> {
    try {
      return await send();
    } catch (error) {
      throw this.signal?.aborted ? new InterruptedError('interrupted') : asKubeError(error);
    }
  }
}

/** What both the library's ApiException and `refusal` carry. */
interface Refused {
  readonly code: number;
  readonly body: unknown;
}

const isRefused = (error: unknown): error is Error & Refused =>
  error instanceof Error && typeof (error as Partial<Refused>).code === 'number' && 'body' in error;

const refusal = (code: number, body: string, what: string): Error & Refused =>
  Object.assign(new Error(`${what}: HTTP ${code}`), { code, body });

/** fetch's own errors are TypeErrors with the system's error as cause. */
const isTransient = (error: unknown) =>
  isRefused(error)
    ? TOO_BUSY.has(error.code)
    : error instanceof TypeError && error.cause instanceof Error && 'code' in error.cause;

/** The API's own reason and message (a `Status` object) where it gave one. */
function asKubeError(error: unknown): Error {
  if (error instanceof KubeError) return error;
  if (isRefused(error)) {
    const status = parseStatus(error.body);
    return new KubeError(
      status?.reason ?? `HTTP ${error.code}`,
      status?.message ?? `${error.message}: ${String(error.body).slice(0, 200)}`,
    );
  }
  if (error instanceof TypeError && error.cause instanceof Error)
    return new KubeError('ServiceUnavailable', `the API server cannot be reached: ${error.cause.message}`);
  return error instanceof Error ? error : new Error(String(error));
}

function parseStatus(body: unknown): { reason?: string; message?: string } | undefined {
  if (typeof body !== 'string') return undefined;
  try {
    const status = JSON.parse(body) as { kind?: string; reason?: string; message?: string };
    return status.kind === 'Status' ? status : undefined;
  } catch {
    return undefined;
  }
}
