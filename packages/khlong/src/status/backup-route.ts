import { once } from 'node:events'
import type http from 'node:http'
import { describeError, isEqualSecret } from '@khlong/core'
import type { PipelineCutter } from '../backup/pipeline-cut.ts'
import { KhlongError } from '../errors.ts'

export interface BackupRouteOptions {
  readonly cutter: PipelineCutter
  /** The control token: only who may read the data folder has it. */
  readonly token: string
}

/**
 * `POST /-/backup`: takes a cut of the pipeline and answers with it as one line of JSON. The cut's
 * files stay until the asker ends the connection.
 */
export class BackupRoute {
  readonly #options: BackupRouteOptions

  constructor(options: BackupRouteOptions) {
    this.#options = options
  }

  /** Answers a request for a cut; false where it is about something else. */
  async answer(
    request: http.IncomingMessage,
    response: http.ServerResponse,
    pathname: string,
  ): Promise<boolean> {
    if (pathname !== '/-/backup' || request.method !== 'POST') return false
    const [, token = ''] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '') ?? []
    if (!isEqualSecret(token, this.#options.token)) {
      response.writeHead(401, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ message: 'expected the token of control.json' }))
      return true
    }
    const gone = once(response, 'close')
    try {
      await this.#options.cutter.cut(async (cut) => {
        response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
        response.write(`${JSON.stringify(cut)}\n`)
        if (!response.closed) await gone
      })
    } catch (error) {
      if (response.headersSent) throw error
      const code = error instanceof KhlongError && error.code === 'KHLONG_BACKUP_BUSY' ? 409 : 503
      response.writeHead(code, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ message: describeError(error) }))
    }
    return true
  }
}
