import type { LentBytes, Reader, Writer } from '@khlong/core/bytes'
import { type ApiKey, apiInfo } from '@khlong/kafka-protocol'
import type { AnswerRoom } from '../server/answer-budget.ts'
import type { BrokerState } from '../state/broker-state.ts'

/** Who asks, in which version, and whom. */
export interface RequestContext {
  readonly broker: BrokerState
  readonly version: number
  readonly clientId: string
  readonly principal: string
  /** The client's address. */
  readonly host: string
  /** Where clients of this listener find the broker. */
  readonly address: { readonly host: string; readonly port: number }
  /** Where the request's bytes lie, when that is memory which is used again: who needs them after the answer holds it. */
  readonly memory: LentBytes | undefined
  /** What the answer may hold in memory; little while other clients do not take theirs. */
  readonly room: AnswerRoom
  /** Aborted when the connection closes: nobody waits for the answer any more. */
  readonly signal: AbortSignal
}

/** Answers one kind of request in every version that its codec has. */
export interface Handler {
  readonly key: ApiKey
  /** The newest version that is done here, where the codec knows newer ones. */
  readonly maxVersion?: number
  /** Reads the request, and gives what writes the response; undefined where the client wants none. */
  serve(
    reader: Reader,
    context: RequestContext,
  ): ResponseWriter | undefined | Promise<ResponseWriter | undefined>
}

/** The versions of a handler that ApiVersions lists. */
export function listedVersions({ key, maxVersion }: Pick<Handler, 'key' | 'maxVersion'>): {
  readonly min: number
  readonly max: number
} {
  const { advertisedMin, advertisedMax } = apiInfo(key)!
  return { min: advertisedMin, max: Math.min(advertisedMax, maxVersion ?? advertisedMax) }
}

export type ResponseWriter = (writer: Writer) => void

/** Makes a handler of a codec's two functions and a function from request to response. */
export function defineHandler<Request, Response extends object>(spec: {
  key: ApiKey
  maxVersion?: number
  decode(reader: Reader, version: number): Request
  encode(writer: Writer, response: Response, version: number): void
  handle(
    request: Request,
    context: RequestContext,
  ): Response | undefined | Promise<Response | undefined>
}): Handler {
  return {
    key: spec.key,
    ...(spec.maxVersion === undefined ? {} : { maxVersion: spec.maxVersion }),
    serve(reader, context) {
      const request = spec.decode(reader, context.version)
      // Kafka reads no further than it must: librdkafka sends a byte too many where it alters SCRAM credentials.
      reader.skip(reader.remaining)
      reader.finish()
      const write =
        (response: Response): ResponseWriter =>
        (writer) =>
          spec.encode(writer, response, context.version)
      const answer = spec.handle(request, context)
      if (answer === undefined) return undefined
      if (!(answer instanceof Promise)) return write(answer)
      return answer.then((response) => (response === undefined ? undefined : write(response)))
    },
  }
}
