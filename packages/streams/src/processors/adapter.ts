import { topologyError } from '../errors.ts'
import { type CarriedHeaders, headersOf, type RecordHeaders } from '../record.ts'
import type { KeyValueStore } from '../state/key-value-store.ts'
import type { SessionStore } from '../state/session-store.ts'
import type { WindowStore } from '../state/window-store.ts'
import type { NodeContext, ProcessorSupplier } from '../topology/processor-node.ts'
import type {
  Processor,
  ProcessorContext,
  StreamRecord,
  ValuesProcessor,
  ValuesProcessorContext,
} from './processor-api.ts'

// User's processors as nodes of a topology.

export const adaptProcessor = <KIn, VIn, KOut, VOut>(
  supplier: () => Processor<KIn, VIn, KOut, VOut>,
): ProcessorSupplier => {
  checkSupplier(supplier)
  return (context) => {
    const processor = supplier()
    const forward: ProcessorContext<KOut, VOut>['forward'] = (record, child) =>
      context.forwardWithHeaders(
        record.key,
        record.value,
        record.timestampMs,
        record.headers ?? context.record.carriedHeaders,
        child,
      )
    processor.init?.(processorContext(context, forward))
    return {
      process: (key, value, timestampMs) =>
        processor.process(recordOf<KIn, VIn>(context, key, value, timestampMs)),
      close: () => processor.close?.(),
    }
  }
}

export const adaptValuesProcessor = <K, VIn, VOut>(
  supplier: () => ValuesProcessor<K, VIn, VOut>,
): ProcessorSupplier => {
  checkSupplier(supplier)
  return (context) => {
    const processor = supplier()
    let current: StreamRecord<K, VIn> | undefined
    const forward: ValuesProcessorContext<K, VOut>['forward'] = (value, changes = {}) => {
      if (!current)
        throw topologyError(
          `${context.nodeName}: a processor of values forwards within process only, where there is a key; use process instead of processValues`,
        )
      context.forwardWithHeaders(
        current.key,
        value,
        changes.timestampMs ?? current.timestampMs,
        changes.headers ?? context.record.carriedHeaders,
      )
    }
    processor.init?.(processorContext(context, forward))
    return {
      process(key, value, timestampMs) {
        current = recordOf<K, VIn>(context, key, value, timestampMs)
        try {
          processor.process(current)
        } finally {
          current = undefined
        }
      },
      close: () => processor.close?.(),
    }
  }
}

/** As in Java: each task needs a processor of its own. */
function checkSupplier(supplier: () => unknown): void {
  const [one, another] = [supplier(), supplier()]
  if (one === another)
    throw topologyError(
      'the supplier of a processor gives the same one twice; make a new one each time: `() => new …`',
    )
}

function processorContext<Forward>(
  context: NodeContext,
  forward: Forward,
): Omit<ProcessorContext<unknown, unknown>, 'forward'> & { readonly forward: Forward } {
  return {
    forward,
    applicationId: context.applicationId,
    taskId: context.taskId,
    get recordMetadata() {
      return context.record.topic === '' ? undefined : context.record
    },
    keyValueStore: <SK, SV>(name: string) => context.store(name) as KeyValueStore<SK, SV>,
    windowStore: <SK, SV>(name: string) => context.store(name) as WindowStore<SK, SV>,
    sessionStore: <SK, SV>(name: string) => context.store(name) as SessionStore<SK, SV>,
    streamTimeMs: () => context.streamTimeMs(),
    nowMs: () => context.nowMs(),
    schedule: (intervalMs, type, callback) => context.schedule(intervalMs, type, callback),
    commit: () => context.commit(),
  }
}

/** A record for a processor; its headers are decoded when it asks for them. */
class ProcessedRecord<K, V> implements StreamRecord<K, V> {
  readonly key: K
  readonly value: V
  readonly timestampMs: number
  readonly #headers: CarriedHeaders

  constructor(key: K, value: V, timestampMs: number, headers: CarriedHeaders) {
    this.key = key
    this.value = value
    this.timestampMs = timestampMs
    this.#headers = headers
  }

  get headers(): RecordHeaders {
    return headersOf(this.#headers)
  }
}

const recordOf = <K, V>(
  context: NodeContext,
  key: unknown,
  value: unknown,
  timestampMs: number,
): StreamRecord<K, V> =>
  new ProcessedRecord(key as K, value as V, timestampMs, context.record.carriedHeaders)
