import { type Notification, webhookMessage } from '../notification.ts'
import type { WebhookConfig } from '../receiver-config.ts'
import { type Integration, type IntegrationContext, postJson, readSecret } from './integration.ts'

/** Alertmanager's webhook, version 4 of its JSON. */
export class Webhook implements Integration {
  readonly kind = 'webhook'
  readonly index: number
  readonly sendResolved: boolean
  readonly #config: WebhookConfig
  readonly #context: IntegrationContext

  constructor(config: WebhookConfig, index: number, context: IntegrationContext) {
    this.index = index
    this.sendResolved = config.send_resolved
    this.#config = config
    this.#context = context
  }

  async notify(notification: Notification, signal: AbortSignal): Promise<void> {
    const { max_alerts, url, url_file, timeout } = this.#config
    const address = await readSecret(this.#context, url, url_file)
    await postJson(
      this.#context,
      {
        url: address,
        body: webhookMessage(notification, max_alerts),
        // Ours: by it a receiver knows the same notification, should a crash send it again.
        headers: { 'idempotency-key': notification.id },
        secrets: [address],
      },
      timeout > 0 ? AbortSignal.any([signal, AbortSignal.timeout(timeout)]) : signal,
    )
  }
}
