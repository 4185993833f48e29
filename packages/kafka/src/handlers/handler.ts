import type { Reader, Writer } from '@khlong/core/bytes'
import type { ApiKey } from '@khlong/kafka-protocol'
import type { BrokerState } from '../state/broker-state.ts'

/** Who asks, in which version, and whom. */
export interface RequestContext {
  readonly broker: BrokerState
  readonly version: number
  readonly clientId: string
  readonly principal: string
  /** The client's address. */
  readonly host: string
  /** Aborted when the connection closes: nobody waits for the answer any more. */
  readonly signal: AbortSignal
}

/** Answers one kind of request in every version that its codec has. */
export interface Handler {
  readonly key: ApiKey
  /** Reads the request, and gives what writes the response; undefined where the client wants none. */
  serve(
    reader: Reader,
    context: RequestContext,
  ): ResponseWriter | undefined | Promise<ResponseWriter | undefined>
}

export type ResponseWriter = (writer: Writer) => void

/** Makes a handler of a codec's two functions and a function from request to response. */
export function defineHandler<Request, Response extends object>(spec: {
  key: ApiKey
  decode(reader: Reader, version: number): Request
  encode(writer: Writer, response: Response, version: number): void
  handle(
    request: Request,
    context: RequestContext,
  ): Response | undefined | Promise<Response | undefined>
}): Handler {
  return {
    key: spec.key,
    serve(reader, context) {
      const request = spec.decode(reader, context.version)
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
