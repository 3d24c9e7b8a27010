/** The time, once a second, for whatever shows how long something takes. */
import { createSubscriber } from 'svelte/reactivity'

const tick = createSubscriber((update) => {
  const timer = setInterval(update, 1000)
  return () => clearInterval(timer)
})

export const clock = {
  /** ms since 1970. */
  get now(): number {
    tick()
    return Date.now()
  },
}
