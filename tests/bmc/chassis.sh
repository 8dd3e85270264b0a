#!/bin/sh
# What ipmi_sim calls to read and switch its machine: chassis.sh FOLDER get power | set power 0 | set power 1 | ...
# FOLDER/power holds the truth (0 or 1) and FOLDER/orders a line for each order to switch power.
# A file named like a fault makes the BMC err: failing, stuck, stale, always_off.
folder=$1
verb=$2
shift 2

show_power() {
    if [ -e "$folder/always_off" ]; then
        echo 0
    elif [ -e "$folder/shows_off" ]; then
        rm "$folder/shows_off"
        echo 0
    else
        cat "$folder/power"
    fi
}

switch_power() {
    echo "$1" >> "$folder/orders"
    if [ -e "$folder/failing" ]; then
        exit 1
    elif [ -e "$folder/stale" ]; then
        touch "$folder/shows_off"
    elif ! [ -e "$folder/stuck" ]; then
        echo "$1" > "$folder/power"
    fi
}

case $verb in
get)
    for name in "$@"; do
        case $name in
        power) echo "power:$(show_power)" ;;
        boot) echo "boot:default" ;;
        *) exit 1 ;;
        esac
    done
    ;;
set)
    while [ $# -gt 1 ]; do
        case $1 in
        power) switch_power "$2" ;;
        *) echo "$1" >> "$folder/orders" ;;
        esac
        shift 2
    done
    ;;
check) ;;
*) exit 1 ;;
esac
