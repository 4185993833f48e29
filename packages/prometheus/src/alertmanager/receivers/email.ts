import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Notification } from '../notification.ts'
import type { EmailConfig, GlobalConfig } from '../receiver-config.ts'
import {
  fillText,
  type Integration,
  type IntegrationContext,
  notifyFailed,
  readSecret,
} from './integration.ts'

const timeoutMs = 30_000
const tlsPort = 465

/** Mail by SMTP. */
export class Email implements Integration {
  readonly kind = 'email'
  readonly index: number
  readonly sendResolved: boolean
  readonly #config: EmailConfig
  readonly #global: GlobalConfig
  readonly #context: IntegrationContext

  constructor(
    config: EmailConfig,
    index: number,
    global: GlobalConfig,
    context: IntegrationContext,
  ) {
    this.index = index
    this.sendResolved = config.send_resolved
    this.#config = config
    this.#global = global
    this.#context = context
  }

  async notify(notification: Notification, signal: AbortSignal): Promise<void> {
    const config = this.#config
    const global = this.#global
    const fill = (text: string, isHtml = false): string =>
      fillText(this.#context, text, notification, isHtml)
    const from = fill(config.from ?? global.smtp_from ?? '')
    const to = fill(config.to)
    const headers = Object.entries(config.headers).map(
      ([name, text]) => [name.toLowerCase(), fill(text)] as const,
    )
    const { subject, from: _from, to: _to, ...others } = Object.fromEntries(headers)
    // A line break in a label must not become a header.
    const oneLine = (text: string): string => text.replace(/[\r\n]+/g, ' ').trim()
    const transport = await this.#transport()
    const abort = (): void => transport.close()
    signal.addEventListener('abort', abort)
    try {
      await transport.sendMail({
        envelope: { from, to },
        from: headers.find(([name]) => name === 'from')?.[1] ?? from,
        to: headers.find(([name]) => name === 'to')?.[1] ?? to,
        subject: oneLine(subject ?? fill('{{ template "email.default.subject" . }}')),
        headers: Object.fromEntries(
          Object.entries(others).map(([name, text]) => [name, oneLine(text)]),
        ),
        // The same for the same notification, so that mail programs show it once.
        messageId: `<${notification.id}@${/@([\w.-]+)/.exec(from)?.[1] ?? 'khlong'}>`,
        ...(config.html === '' ? {} : { html: fill(config.html, true) }),
        text: fill(config.text === '' ? '{{ template "email.default.text" . }}' : config.text),
        disableFileAccess: true,
        disableUrlAccess: true,
      })
    } catch (error) {
      const {
        message,
        code,
        responseCode = 0,
      } = error as Error & {
        code?: string
        responseCode?: number
      }
      throw notifyFailed(message, responseCode < 500 && code !== 'EAUTH')
    } finally {
      signal.removeEventListener('abort', abort)
      transport.close()
    }
  }

  async #transport() {
    const config = this.#config
    const global = this.#global
    const smarthost = config.smarthost ?? global.smtp_smarthost ?? ''
    const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(smarthost)
    if (!match) throw notifyFailed(`smarthost is not HOST:PORT: ${smarthost}`, false)
    const host = match[1] ?? match[2] ?? ''
    const port = Number(match[3])
    const username = config.auth_username ?? global.smtp_auth_username
    const password =
      config.auth_password !== undefined || config.auth_password_file !== undefined
        ? await readSecret(this.#context, config.auth_password, config.auth_password_file)
        : await readSecret(this.#context, global.smtp_auth_password, global.smtp_auth_password_file)
    const requireTls = config.require_tls ?? global.smtp_require_tls
    const tls = config.tls_config ?? global.smtp_tls_config
    // Needed by few and only when something is wrong, so it is not loaded before.
    const { createTransport } = await import('nodemailer')
    return createTransport({
      host,
      port,
      secure: port === tlsPort,
      requireTLS: requireTls,
      ignoreTLS: !requireTls,
      name: config.hello ?? global.smtp_hello,
      ...(username ? { auth: { user: username, pass: password } } : {}),
      tls: {
        rejectUnauthorized: !(tls?.insecure_skip_verify ?? false),
        ...(tls?.server_name ? { servername: tls.server_name } : {}),
        ...(tls?.ca_file
          ? { ca: await readFile(path.resolve(this.#context.folder, tls.ca_file)) }
          : {}),
      },
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs,
    })
  }
}
