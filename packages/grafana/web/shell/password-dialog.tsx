import { useState } from 'react'
import { useText } from '../i18n/index.ts'
import { ask } from '../lib/api.ts'
import { FormDialog } from '../ui/form-dialog.tsx'
import { PasswordField } from '../ui/password-field.tsx'
import { paletteStore } from './palette-store.ts'

/** One's own password, with the one that is known. */
export function PasswordDialog() {
  const text = useText()
  const [before, setBefore] = useState('')
  const [next, setNext] = useState('')
  return (
    <FormDialog
      title={text('changePassword')}
      action={text('peopleSave')}
      onClose={() => paletteStore.set('closed')}
      onSubmit={async () => {
        await ask('/api/user/password', {
          method: 'PUT',
          body: { oldPassword: before, newPassword: next },
        })
      }}
    >
      <PasswordField
        label={text('peopleOldPassword')}
        autoComplete="current-password"
        value={before}
        onChange={setBefore}
      />
      <PasswordField
        label={text('peopleNewPassword')}
        hint={text('setupPasswordHint')}
        autoComplete="new-password"
        value={next}
        onChange={setNext}
      />
    </FormDialog>
  )
}
