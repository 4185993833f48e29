import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { describeError } from '@khlong/core'
import { PrometheusError } from '../../errors.ts'
import type { TemplateSet } from '../../template/template.ts'
import { type Notification, templateData } from '../notification.ts'
import type { HttpConfig } from '../receiver-config.ts'

/** One way by which a receiver is told. */
export interface Integration {
  /** `webhook`, `email`… as metrics name it. */
  readonly kind: string
  /** Its place among those of its kind within the receiver. */
  readonly index: number
  readonly sendResolved: boolean
  /**
   * Tells once.
   *
   * @throws PrometheusError `ALERTMANAGER_NOTIFY_FAILED`, `retriable` where trying again may help
   */
  notify(notification: Notification, signal: AbortSignal): Promise<void>
}

/** What receivers share. */
export interface IntegrationContext {
  readonly templates: TemplateSet
  /** Relative paths of secrets start here. */
  readonly folder: string
  readonly http: HttpConfig | undefined
}

const bodyCharactersMax = 300

export function notifyFailed(
  message: string,
  retriable: boolean,
  cause?: unknown,
): PrometheusError {
  return new PrometheusError('ALERTMANAGER_NOTIFY_FAILED', message, {
    retriable,
    ...(cause === undefined ? {} : { cause }),
  })
}

/** A secret as written, or as its file says now. */
export async function readSecret(
  context: IntegrationContext,
  text: string | undefined,
  file: string | undefined,
): Promise<string> {
  if (file === undefined) return text ?? ''
  try {
    return (await readFile(path.resolve(context.folder, file), 'utf8')).trim()
  } catch (error) {
    throw notifyFailed(`cannot read ${file}: ${(error as NodeJS.ErrnoException).code}`, true)
  }
}

/** Fills in a text of the configuration; a text that fails is no reason to try again. */
export function fillText(
  context: IntegrationContext,
  text: string,
  notification: Notification,
  isHtml = false,
): string {
  try {
    return context.templates.fill(text, templateData(notification), { isHtml })
  } catch (error) {
    throw notifyFailed(describeError(error), false)
  }
}

export interface PostRequest {
  readonly url: string
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Statuses that mean "done" beside 2xx. */
  readonly accepts?: readonly number[]
  /** Never to be seen in an error. */
  readonly secrets: readonly string[]
}

/** Posts JSON; what the other side cannot help now (5xx, 429, no answer) is worth another try. */
export async function postJson(
  context: IntegrationContext,
  request: PostRequest,
  signal: AbortSignal,
): Promise<void> {
  const { http } = context
  if (!URL.canParse(request.url)) throw notifyFailed('the address is not a URL', false)
  const authorization = await authorizationOf(context)
  let response: Response
  let text = ''
  try {
    response = await fetch(request.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Alertmanager/khlong',
        ...(authorization === undefined ? {} : { authorization }),
        ...request.headers,
      },
      body: JSON.stringify(request.body),
      redirect: http?.follow_redirects === false ? 'manual' : 'follow',
      signal,
    })
    text = response.ok ? '' : await firstCharacters(response)
    await response.body?.cancel()
  } catch (error) {
    throw notifyFailed(mask(describeError(error), request.secrets), true)
  }
  const { status } = response
  if (response.ok || request.accepts?.includes(status)) return
  throw notifyFailed(
    mask(`unexpected status code ${status}${text && `: ${text}`}`, request.secrets),
    status >= 500 || status === 429,
  )
}

async function authorizationOf(context: IntegrationContext): Promise<string | undefined> {
  const { basic_auth: basic, authorization } = context.http ?? {}
  if (authorization)
    return `${authorization.type} ${await readSecret(context, authorization.credentials, authorization.credentials_file)}`
  if (!basic) return undefined
  const password = await readSecret(context, basic.password, basic.password_file)
  return `Basic ${Buffer.from(`${basic.username}:${password}`).toString('base64')}`
}

/** Takes no more than it shows, however long the answer is. */
async function firstCharacters(response: Response): Promise<string> {
  const reader = response.body?.getReader()
  const { value } = (await reader?.read()) ?? {}
  await reader?.cancel()
  reader?.releaseLock()
  return Buffer.from(value ?? [])
    .toString()
    .slice(0, bodyCharactersMax)
    .replace(/\s+/g, ' ')
}

function mask(text: string, secrets: readonly string[]): string {
  return secrets.reduce(
    (masked, secret) => (secret === '' ? masked : masked.replaceAll(secret, '<secret>')),
    text,
  )
}

/** Text cut to what a service takes. */
export function cut(text: string, charactersMax: number): string {
  const characters = [...text]
  return characters.length <= charactersMax
    ? text
    : `${characters.slice(0, charactersMax - 1).join('')}…`
}
