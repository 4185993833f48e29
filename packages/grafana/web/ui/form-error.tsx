import { useText } from '../i18n/index.ts'
import { ApiError } from '../lib/api.ts'
import { Icon } from './icons.tsx'

/** Why a form was not taken; its place is kept, so that nothing jumps. */
export function FormError({ error, words }: { error: Error | undefined; words?: string }) {
  const text = useText()
  const shown =
    words ??
    (error instanceof ApiError && error.status === 0 ? text('offline') : (error?.message ?? ''))
  return (
    <p className="form-error" role="alert">
      {shown !== '' && (
        <>
          <Icon name="warning" size={14} /> {shown}
        </>
      )}
    </p>
  )
}
