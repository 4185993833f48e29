import type { Notification } from '../notification.ts'
import type { TelegramConfig } from '../receiver-config.ts'
import {
  cut,
  fillText,
  type Integration,
  type IntegrationContext,
  postJson,
  readSecret,
} from './integration.ts'

const messageCharactersMax = 4_096

/** A message of a Telegram bot. */
export class Telegram implements Integration {
  readonly kind = 'telegram'
  readonly index: number
  readonly sendResolved: boolean
  readonly #config: TelegramConfig
  readonly #apiUrl: string
  readonly #context: IntegrationContext

  constructor(config: TelegramConfig, index: number, apiUrl: string, context: IntegrationContext) {
    this.index = index
    this.sendResolved = config.send_resolved
    this.#config = config
    this.#apiUrl = config.api_url ?? apiUrl
    this.#context = context
  }

  async notify(notification: Notification, signal: AbortSignal): Promise<void> {
    const config = this.#config
    const token = await readSecret(this.#context, config.bot_token, config.bot_token_file)
    const isHtml = config.parse_mode === 'HTML'
    await postJson(
      this.#context,
      {
        url: `${this.#apiUrl.replace(/\/$/, '')}/bot${token}/sendMessage`,
        body: {
          chat_id: config.chat_id,
          text: cut(
            fillText(this.#context, config.message, notification, isHtml),
            messageCharactersMax,
          ),
          disable_web_page_preview: true,
          disable_notification: config.disable_notifications,
          ...(config.parse_mode === '' ? {} : { parse_mode: config.parse_mode }),
          ...(config.message_thread_id === undefined
            ? {}
            : { message_thread_id: config.message_thread_id }),
        },
        secrets: [token],
      },
      signal,
    )
  }
}
