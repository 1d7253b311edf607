import tseslint from 'typescript-eslint'

export default tseslint.config(
  {
    ignores: [
      '**/node_modules/**',
      '**/dist/**',
      '**/build/**',
      '**/reports/**',
      '.nx/**',
      'docs/api/**',
      'native/build*/**',
      'stage/**',
    ],
  },
  ...tseslint.configs.recommended,
  ...tseslint.configs.stylistic,
  {
    rules: {
      eqeqeq: ['error', 'always'],
      'no-var': 'error',
      'prefer-const': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
      ],
      // Tests that are switched off prove nothing.
      'no-restricted-syntax': [
        'error',
        {
          selector:
            'MemberExpression[property.name=/^(only|skip|todo)$/][object.name=/^(it|test|describe|suite)$/]',
          message: 'Every test runs: no .only, .skip or .todo.',
        },
      ],
    },
  },
  {
    files: ['packages/*/src/**/*.ts', 'bench/src/**/*.ts'],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
    },
  },
  {
    // A library says nothing: it throws, returns, or calls what it was given.
    files: ['packages/*/src/**/*.ts', 'bench/src/**/*.ts'],
    ignores: ['packages/vattention/src/**', 'bench/src/cli/**'],
    rules: { 'no-console': 'error' },
  },
)
