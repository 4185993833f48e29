import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'

const pendingBytesMax = 1_000_000

/** One browser's stream of server-sent events. A reader that does not keep up misses events. */
export class EventStream {
  readonly #response: ServerResponse
  dropped = 0

  constructor(reply: FastifyReply, onClose: () => void) {
    reply.hijack()
    this.#response = reply.raw
    this.#response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    this.#response.once('close', onClose)
    this.#response.write('retry: 1000\n\n')
  }

  send(event: string, data: unknown): void {
    this.sendText(event, JSON.stringify(data))
  }

  /** Sends data that is already JSON text, so that many readers share one rendering. */
  sendText(event: string, json: string): void {
    if (this.#response.writableLength > pendingBytesMax) {
      this.dropped++
      return
    }
    this.#response.write(`event: ${event}\ndata: ${json}\n\n`)
  }

  end(): void {
    this.#response.end()
  }
}

/** Reads server-sent events from a response body; gives the data of each event. */
export async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  const textMax = 8_000_000
  let text = ''
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true })
    if (text.length > textMax) throw new Error('an event is larger than 8 MB')
    let end = text.indexOf('\n\n')
    while (end >= 0) {
      const data = text
        .slice(0, end)
        .split('\n')
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(5).trimStart())
        .join('\n')
      text = text.slice(end + 2)
      if (data !== '') yield data
      end = text.indexOf('\n\n')
    }
  }
}
