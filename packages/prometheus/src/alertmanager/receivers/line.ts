import type { Notification } from '../notification.ts'
import type { LineConfig } from '../receiver-config.ts'
import {
  cut,
  fillText,
  type Integration,
  type IntegrationContext,
  postJson,
  readSecret,
} from './integration.ts'

const messageCharactersMax = 5_000
/** The answer where a request with the same retry key was taken before. */
const alreadyAccepted = 409

/** A message of a LINE official account, by the Messaging API. */
export class Line implements Integration {
  readonly kind = 'line'
  readonly index: number
  readonly sendResolved: boolean
  readonly #config: LineConfig
  readonly #context: IntegrationContext

  constructor(config: LineConfig, index: number, context: IntegrationContext) {
    this.index = index
    this.sendResolved = config.send_resolved
    this.#config = config
    this.#context = context
  }

  async notify(notification: Notification, signal: AbortSignal): Promise<void> {
    const config = this.#config
    const token = await readSecret(
      this.#context,
      config.channel_access_token,
      config.channel_access_token_file,
    )
    const text = cut(fillText(this.#context, config.message, notification), messageCharactersMax)
    const call = config.to === undefined ? 'broadcast' : 'push'
    await postJson(
      this.#context,
      {
        url: `${config.api_url.replace(/\/$/, '')}/v2/bot/message/${call}`,
        body: {
          ...(config.to === undefined ? {} : { to: config.to }),
          messages: [{ type: 'text', text }],
        },
        headers: { authorization: `Bearer ${token}`, 'x-line-retry-key': notification.id },
        accepts: [alreadyAccepted],
        secrets: [token],
      },
      signal,
    )
  }
}
