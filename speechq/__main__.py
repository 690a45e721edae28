"""``python -m speechq``, and what ``torchrun -m speechq`` starts."""

from speechq.cli.main import main

if __name__ == "__main__":
    main()
