import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describeError, type Logger } from '@khlong/core'

export interface GrafanaProvisioning {
  /** Of a real Grafana; may hold `user:password@`. */
  readonly url: string
  /** A service account's token; goes before a login in the address. */
  readonly token: string | undefined
  /** Address by which Grafana reaches Prometheus. */
  readonly prometheus: string | undefined
  /** Folder of dashboard JSON files. */
  readonly dashboards: string
  readonly logger: Logger
  readonly signal: AbortSignal
}

const firstWaitMs = 1_000
const waitMsMax = 30_000
const answerWithinMs = 10_000

/**
 * Gives a real Grafana the pipeline's data source and dashboards through its HTTP API
 * (`POST /api/datasources`, `PUT /api/datasources/uid/…`, `POST /api/dashboards/db` with `overwrite`), and
 * tries again while it cannot be reached. Each refusal is logged with Grafana's own words.
 */
export async function provisionGrafana(options: GrafanaProvisioning): Promise<void> {
  const { logger, signal } = options
  for (let waitMs = firstWaitMs; ; waitMs = Math.min(waitMs * 2, waitMsMax)) {
    if (signal.aborted) return
    try {
      await giveAll(options)
      return
    } catch (error) {
      if (signal.aborted) return
      const { status } = error as { status?: number }
      if (status !== undefined && status < 500) {
        logger.error(
          { err: error },
          'Grafana refuses its dashboards; mend what it says and start again',
        )
        return
      }
      logger.warn(
        { reason: describeError(error), waitMs },
        'Grafana cannot be given its dashboards yet',
      )
    }
    await delay(waitMs, undefined, { signal, ref: false }).catch(() => {})
  }
}

async function giveAll(options: GrafanaProvisioning): Promise<void> {
  const { prometheus, dashboards, logger } = options
  const grafana = new GrafanaApi(options)
  if (prometheus !== undefined) {
    const source = {
      uid: 'prometheus',
      name: 'Prometheus',
      type: 'prometheus',
      access: 'proxy',
      url: prometheus,
      isDefault: true,
    }
    const { status } = await grafana.send('POST', '/api/datasources', source, [409])
    if (status === 409) await grafana.send('PUT', '/api/datasources/uid/prometheus', source)
  }
  const files = (await readdir(dashboards).catch(() => [])).filter((file) => file.endsWith('.json'))
  for (const file of files.sort()) {
    const dashboard = JSON.parse(await readFile(path.join(dashboards, file), 'utf8')) as object
    // Another installation's number says nothing; the uid tells which dashboard it is.
    await grafana.send('POST', '/api/dashboards/db', {
      dashboard: { ...dashboard, id: null },
      overwrite: true,
    })
  }
  logger.info({ dashboards: files.length }, 'Grafana has its data source and dashboards')
}

/** Requests to Grafana under one login. */
class GrafanaApi {
  readonly #base: string
  readonly #authorization: string | undefined
  readonly #signal: AbortSignal

  constructor({ url, token, signal }: GrafanaProvisioning) {
    const { username, password, origin, pathname } = new URL(url)
    this.#base = `${origin}${pathname.replace(/\/$/, '')}`
    const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    this.#authorization = token
      ? `Bearer ${token}`
      : username
        ? `Basic ${Buffer.from(login).toString('base64')}`
        : undefined
    this.#signal = signal
  }

  /** @throws Error with `status` and what Grafana said, where it refuses otherwise than by `expected`. */
  async send(
    method: string,
    where: string,
    body: object,
    expected: readonly number[] = [],
  ): Promise<{ status: number }> {
    const response = await fetch(`${this.#base}${where}`, {
      method,
      headers: {
        'content-type': 'application/json',
        ...(this.#authorization ? { authorization: this.#authorization } : {}),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.any([this.#signal, AbortSignal.timeout(answerWithinMs)]),
    })
    const said = await response.text()
    const { status } = response
    if (response.ok || expected.includes(status)) return { status }
    throw Object.assign(new Error(`${method} ${where}: ${status} ${said.slice(0, 300)}`), {
      status,
    })
  }
}
