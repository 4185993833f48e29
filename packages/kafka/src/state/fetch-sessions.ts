import { randomInt } from 'node:crypto'
import type { Clock } from '@khlong/core'
import { ErrorCode } from '@khlong/kafka-protocol'
import type {
  FetchableTopicResponseInput,
  FetchPartition,
  FetchRequest,
  FetchTopic,
  PartitionDataInput,
} from '@khlong/kafka-protocol/messages/fetch'

// A fetch session (KIP-227) remembers which partitions a client reads, so that its requests name only
// what changes, and its answers only what is new. Requests are counted by epochs: a client that lost an
// answer is told so, and begins another session.

const closeEpoch = -1
const firstEpoch = 0
const epochMax = 0x7fff_ffff

export interface FetchSessionsOptions {
  readonly clock: Clock
  readonly slots: () => number
  /** A session that was used since may not be taken for another one. */
  readonly evictionMs: number
}

interface SessionPartition {
  wanted: FetchPartition
  /** What the client was told last; -1 where that is to be told again. */
  highWatermark: number
  lastStableOffset: number
  logStartOffset: number
}

interface SessionTopic {
  readonly topic: string
  readonly topicId: string
  readonly partitions: Map<number, SessionPartition>
}

/** The partitions that one client reads. */
export class FetchSession {
  readonly id: number
  readonly usesTopicIds: boolean
  /** The epoch that the next request must have. */
  epoch = 1
  lastUsedMs: number
  readonly #topics = new Map<string, SessionTopic>()

  constructor(id: number, usesTopicIds: boolean, nowMs: number) {
    this.id = id
    this.usesTopicIds = usesTopicIds
    this.lastUsedMs = nowMs
  }

  get isEmpty(): boolean {
    return this.#topics.size === 0
  }

  /** Adds and changes what a request names, and drops what it forgets. */
  update({
    topics,
    forgottenTopicsData,
  }: Pick<FetchRequest, 'topics' | 'forgottenTopicsData'>): void {
    for (const named of topics) {
      const key = this.#keyOf(named)
      const { topic, topicId } = named
      const known = this.#topics.get(key) ?? { topic, topicId, partitions: new Map() }
      this.#topics.set(key, known)
      for (const wanted of named.partitions) {
        const before = known.partitions.get(wanted.partition)
        if (before) before.wanted = wanted
        else
          known.partitions.set(wanted.partition, {
            wanted,
            highWatermark: -1,
            lastStableOffset: -1,
            logStartOffset: -1,
          })
      }
    }
    for (const forgotten of forgottenTopicsData) {
      const key = this.#keyOf(forgotten)
      const known = this.#topics.get(key)
      for (const partition of forgotten.partitions) known?.partitions.delete(partition)
      if (known?.partitions.size === 0) this.#topics.delete(key)
    }
  }

  /** Everything that is to be read, as a full request would name it. */
  wanted(): FetchTopic[] {
    return [...this.#topics.values()].map(({ topic, topicId, partitions }) => ({
      topic,
      topicId,
      partitions: [...partitions.values()].map(({ wanted }) => wanted),
    }))
  }

  /** What of an answer the client does not know yet. What brought records goes last the next time. */
  changed(responses: readonly FetchableTopicResponseInput[]): FetchableTopicResponseInput[] {
    return responses.flatMap((response) => {
      const known = this.#topics.get(
        this.#keyOf({ topic: response.topic ?? '', topicId: response.topicId ?? '' }),
      )
      if (!known) return []
      const partitions = response.partitions.filter((data) => note(known, data))
      if (partitions.some(hasRecords)) this.#moveToEnd(known)
      return partitions.length > 0 ? [{ ...response, partitions }] : []
    })
  }

  #moveToEnd(topic: SessionTopic): void {
    const key = this.#keyOf(topic)
    this.#topics.delete(key)
    this.#topics.set(key, topic)
  }

  #keyOf({ topic, topicId }: { readonly topic: string; readonly topicId: string }): string {
    return this.usesTopicIds ? topicId : topic
  }
}

/** All sessions, as many as there are slots. */
export class FetchSessions {
  readonly #options: FetchSessionsOptions
  /** The one used least recently is the first. */
  readonly #sessions = new Map<number, FetchSession>()

  constructor(options: FetchSessionsOptions) {
    this.#options = options
  }

  get count(): number {
    return this.#sessions.size
  }

  /**
   * The session that a request belongs to: a new one, one that goes on, or none; an error code where
   * the client's is not known here.
   */
  of(
    request: FetchRequest,
    usesTopicIds: boolean,
  ): { readonly errorCode: number; readonly session?: FetchSession; readonly isFull: boolean } {
    const { sessionId, sessionEpoch } = request
    if (sessionEpoch === closeEpoch || sessionEpoch === firstEpoch) {
      this.#sessions.delete(sessionId)
      const session = sessionEpoch === firstEpoch ? this.#open(request, usesTopicIds) : undefined
      return { errorCode: ErrorCode.none, isFull: true, ...(session ? { session } : {}) }
    }
    const session = this.#sessions.get(sessionId)
    const refused = (errorCode: number) => ({ errorCode, isFull: false })
    if (!session) return refused(ErrorCode.fetchSessionIdNotFound)
    if (session.epoch !== sessionEpoch) return refused(ErrorCode.invalidFetchSessionEpoch)
    if (session.usesTopicIds !== usesTopicIds) return refused(ErrorCode.fetchSessionTopicIdError)
    session.epoch = session.epoch === epochMax ? 1 : session.epoch + 1
    session.update(request)
    this.#sessions.delete(sessionId)
    // The client hears that it is over by the id 0, and begins another one.
    if (session.isEmpty) return { errorCode: ErrorCode.none, isFull: true }
    this.#use(session)
    return { errorCode: ErrorCode.none, session, isFull: false }
  }

  #open(request: FetchRequest, usesTopicIds: boolean): FetchSession | undefined {
    const nowMs = this.#options.clock.nowMs()
    if (request.topics.length === 0 || !this.#makeRoom(nowMs)) return undefined
    let id = 0
    while (id === 0 || this.#sessions.has(id)) id = randomInt(1, 0x7fff_ffff)
    const session = new FetchSession(id, usesTopicIds, nowMs)
    session.update(request)
    this.#use(session)
    return session
  }

  #use(session: FetchSession): void {
    session.lastUsedMs = this.#options.clock.nowMs()
    this.#sessions.set(session.id, session)
  }

  #makeRoom(nowMs: number): boolean {
    const slots = this.#options.slots()
    if (this.#sessions.size < slots) return true
    for (const { id, lastUsedMs } of this.#sessions.values()) {
      if (slots === 0 || nowMs - lastUsedMs < this.#options.evictionMs) return false
      this.#sessions.delete(id)
      return true
    }
    return false
  }
}

/** Remembers what a client is told of a partition; false where it knows that already. */
function note(known: SessionTopic, data: PartitionDataInput): boolean {
  const partition = known.partitions.get(data.partitionIndex)
  if (!partition) return false
  const { errorCode = 0, highWatermark, lastStableOffset = -1, logStartOffset = -1 } = data
  if (errorCode !== 0) {
    partition.highWatermark = -1
    return true
  }
  const isNew =
    partition.highWatermark !== highWatermark ||
    partition.lastStableOffset !== lastStableOffset ||
    partition.logStartOffset !== logStartOffset
  partition.highWatermark = highWatermark
  partition.lastStableOffset = lastStableOffset
  partition.logStartOffset = logStartOffset
  if (!hasRecords(data)) return isNew
  known.partitions.delete(data.partitionIndex)
  known.partitions.set(data.partitionIndex, partition)
  return true
}

function hasRecords({ records }: PartitionDataInput): boolean {
  return Array.isArray(records) && records.length > 0
}
