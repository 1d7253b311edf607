/**
 * The probabilities of gaps between requests: the last steps are as fine as single rows of a trace,
 * since silences are few and make most of a bursty trace's time. `[60]`
 */
export const gapProbabilities: readonly number[] = [
  0, 0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.125, 0.15, 0.175, 0.2, 0.225, 0.25, 0.275, 0.3,
  0.325, 0.35, 0.375, 0.4, 0.425, 0.45, 0.475, 0.5, 0.525, 0.55, 0.575, 0.6, 0.625, 0.65, 0.675,
  0.7, 0.725, 0.75, 0.775, 0.8, 0.825, 0.85, 0.875, 0.9, 0.925, 0.95, 0.975, 0.98, 0.985, 0.99,
  0.9925, 0.995, 0.996, 0.997, 0.998, 0.9985, 0.999, 0.9992, 0.99943, 0.99955, 0.99966, 0.99977,
  0.99989, 1,
]
